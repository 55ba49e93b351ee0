"""What submission keeps about a person: what they handed in, where they are enrolled, whom they teach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from services.submission.catalogue.store import assignment_table, enrolment_table, group_table, tutor_table
from services.submission.deadlines.store import own_cut_off_table
from services.submission.negotiation.store import forget_words, request_table, word_table
from services.submission.people.store import person_table
from services.submission.receipts.store import ruling_statement_table
from services.submission.resumable.domain import OPEN
from services.submission.resumable.store import piece_table, upload_table
from services.submission.scanning.store import forget_scans, scan_table
from services.submission.submissions.store import refusal_table, version_table
from services.submission.upload.names import UNNAMED
from shared.contracts import EnrolmentStatus
from shared.database import Database, Transaction
from shared.killpoints import kill_point
from shared.persons import Keeps
from shared.storage.port import ObjectRetained, ObjectStore

log = structlog.get_logger()


class SubmissionKeeps(Keeps):
    """See `shared.persons.Keeps`.

    Work is held until `kept` after the last cut-off of its presentation: until then it can be marked and asked about.
    What is erased with a person is the work itself; that it came, its hash and its receipt stay, by reference.
    """

    def __init__(self, database: Database, *, objects: ObjectStore, staging: ObjectStore, kept: timedelta) -> None:
        self.database = database
        self.objects = objects
        self.staging = staging
        self.kept = kept

    def queries(self, person_ref: str) -> Mapping[str, sa.Select[Any]]:
        works = sa.select(version_table.c.work_id).where(version_table.c.person_ref == person_ref)
        by_person = (version_table.c.submitted_by == person_ref, version_table.c.person_ref != person_ref)
        of_version = (version_table.c.submission_id, version_table.c.assignment_id, version_table.c.arrived_at)
        of_request = (request_table.c.request_id, request_table.c.assignment_id, request_table.c.state)
        of_group = (group_table.c.group_id, group_table.c.presentation_id)
        return {
            "versions": sa.select(version_table).where(version_table.c.person_ref == person_ref),
            "handed_in_for_others": sa.select(*of_version).where(*by_person),
            "corrections": sa.select(ruling_statement_table).where(ruling_statement_table.c.work_id.in_(works)),
            "scans": sa.select(scan_table).where(scan_table.c.work_id.in_(works)),
            "refusals": sa.select(refusal_table).where(refusal_table.c.person_ref == person_ref),
            "uploads": sa.select(upload_table).where(upload_table.c.person_ref == person_ref),
            "enrolments": sa.select(enrolment_table).where(enrolment_table.c.person_ref == person_ref),
            "tutorships": sa.select(tutor_table).where(tutor_table.c.person_ref == person_ref),
            "person": sa.select(person_table).where(person_table.c.person_ref == person_ref),
            "requests": sa.select(request_table).where(request_table.c.person_ref == person_ref),
            "requests_to_answer": sa.select(*of_request).where(request_table.c.tutor_ref == person_ref),
            "words_in_requests": sa.select(word_table).where(_words_of(person_ref)),
            "own_cut_offs": sa.select(own_cut_off_table).where(own_cut_off_table.c.person_ref == person_ref),
            "groups_taught": sa.select(*of_group).where(group_table.c.tutor_ref == person_ref),
        }

    def holds(self, person_ref: str, connection: sa.Connection, *, now: datetime) -> Iterator[str]:
        for role, presentations in _presentations(person_ref).items():
            last = sa.func.max(assignment_table.c.cut_off_at)
            ends = sa.select(assignment_table.c.presentation_id, last.label("last_cut_off"))
            running = ends.where(assignment_table.c.presentation_id.in_(presentations))
            for row in connection.execute(running.group_by(assignment_table.c.presentation_id)):
                until = row.last_cut_off + self.kept
                if until > now:
                    yield f"{role} {row.presentation_id}, which is held until {until:%Y-%m-%d}"
        theirs = sa.or_(request_table.c.person_ref == person_ref, request_table.c.tutor_ref == person_ref)
        if connection.scalar(sa.select(sa.exists().where(theirs, request_table.c.closed_at.is_(None)))):
            yield "a request for more time is open"
        yield from self._holds_of_files(person_ref, connection, now)

    def _holds_of_files(self, person_ref: str, connection: sa.Connection, now: datetime) -> Iterator[str]:
        own = version_table.c.person_ref == person_ref
        retained = connection.scalar(sa.select(sa.func.max(version_table.c.retained_until)).where(own))
        if retained is not None and retained > now:
            yield f"the object store lets go of their last file on {retained:%Y-%m-%d}, and of none before its day"
        under_way = sa.exists().where(upload_table.c.person_ref == person_ref, upload_table.c.state.in_(OPEN))
        if connection.scalar(sa.select(under_way)):
            yield "an upload is under way: it ends by itself within seven days, or its student deletes it"

    def forget(self, person_refs: Sequence[str], tx: Transaction) -> None:
        """Names of people and files, keys that clients chose, words in requests, and what was still to be scanned."""
        version, refusal, upload = version_table.c, refusal_table.c, upload_table.c
        named = sa.or_(version.file_name != UNNAMED, version.idempotency_key != version.submission_id)
        keyed = refusal.idempotency_key.is_not(None)
        statements = (
            sa.update(version_table)
            .where(version.person_ref.in_(person_refs), named)
            .values(file_name=UNNAMED, idempotency_key=version.submission_id),
            sa.update(refusal_table).where(refusal.person_ref.in_(person_refs), keyed).values(idempotency_key=None),
            sa.update(upload_table)
            .where(upload.person_ref.in_(person_refs), upload.file_name != UNNAMED)
            .values(file_name=UNNAMED, metadata="", idempotency_key=upload.upload_id, refusal_detail=None),
        )
        for statement in statements:
            tx.connection.execute(statement)
        tx.connection.execute(sa.delete(person_table).where(person_table.c.person_ref.in_(person_refs)))
        forget_words(person_refs, tx)
        forget_scans(person_refs, tx)

    def clear(self, person_ref: str) -> bool:
        """Delete the files; False while the store lets one not go."""
        own = sa.select(upload_table.c.upload_id).where(upload_table.c.person_ref == person_ref)
        pieces = sa.select(piece_table.c.object_key, piece_table.c.object_version)
        with self.database.reading() as connection:
            staged = connection.execute(pieces.where(piece_table.c.upload_id.in_(own))).all()
            whole = [
                *connection.execute(_objects(upload_table, person_ref)),
                *connection.execute(_objects(version_table, person_ref)),
            ]
        for key, version in staged:
            self.staging.delete(key, version)
        deleted = [self._delete(key, version) for key, version in whole]
        kill_point("submission.files_erased")
        with self.database.transaction() as tx:
            tx.connection.execute(sa.delete(piece_table).where(piece_table.c.upload_id.in_(own)))
            tx.connection.execute(sa.delete(upload_table).where(upload_table.c.person_ref == person_ref))
        return all(deleted)

    def _delete(self, key: str, version: str) -> bool:
        try:
            self.objects.delete(key, version)
        except ObjectRetained:
            log.warning("person.object_retained", object_key=key, object_version=version)
            return False
        return True


def _presentations(person_ref: str) -> Mapping[str, Any]:
    """Where a person is needed, by what they are there."""
    enrolled = enrolment_table.c.status == str(EnrolmentStatus.ACTIVE)
    return {
        "there is work in": sa.select(version_table.c.presentation_id).where(version_table.c.person_ref == person_ref),
        "is a student of": sa.select(enrolment_table.c.presentation_id).where(
            enrolment_table.c.person_ref == person_ref, enrolled
        ),
        "is the tutor of a group of": sa.select(group_table.c.presentation_id).where(
            group_table.c.tutor_ref == person_ref
        ),
    }


def _words_of(person_ref: str) -> sa.ColumnElement[bool]:
    """All that was said in a student's requests, and what this person said in those of others."""
    own = sa.select(request_table.c.request_id).where(request_table.c.person_ref == person_ref)
    return sa.or_(word_table.c.request_id.in_(own), word_table.c.by_ref == person_ref)


def _objects(table: sa.Table, person_ref: str) -> sa.Select[Any]:
    own = (table.c.person_ref == person_ref, table.c.object_key.is_not(None))
    return sa.select(table.c.object_key, table.c.object_version).where(*own)
