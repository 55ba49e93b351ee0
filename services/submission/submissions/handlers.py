"""Handing in: bytes before the row, the row before the receipt, everything said in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.submission.catalogue.domain import Assignment
from services.submission.catalogue.views import CatalogueViews
from services.submission.deadlines.domain import Deadline
from services.submission.deadlines.views import Deadlines
from services.submission.receipts.handlers import KeyRing
from services.submission.submissions.domain import (
    Attempt,
    KeyReused,
    Quota,
    Refused,
    Used,
    check_before_reading,
    check_content,
    check_in_time,
    check_name,
    too_large,
)
from services.submission.submissions.store import SubmissionStore, is_known_key
from services.submission.submissions.views import SubmissionViews
from services.submission.upload.media_type import TypeJudge
from services.submission.upload.names import UNNAMED, clean_name
from shared.contracts import (
    Band,
    LaterVersionDeclined,
    LaterVersionTaken,
    ScriptCollected,
    SubmissionReceived,
    SubmissionRefused,
    VersionNotTaken,
    VersionTaken,
    work_id_of,
)
from shared.database import Context, Database, Transaction
from shared.errors import NotFound, Rejected
from shared.killpoints import kill_point
from shared.looks import record_look
from shared.messaging.consumer import HandlerTable
from shared.persons import erased_among
from shared.storage.port import ObjectStore, ObjectWriter, StoredObject
from shared.web.rights import Relation
from shared.web.scopes import covers
from shared.web.tokens import Principal


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What the student gets: the ids, and the receipt itself."""

    submission_id: str
    work_id: str
    assignment_id: str
    version: int
    band: Band
    sha256: str
    size_bytes: int
    receipt_id: str
    receipt: str


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A file whose bytes are durable: all that its version needs. `confirmed_at` is None when nobody had to confirm."""

    assignment: Assignment
    file_name: str
    stored: StoredObject
    media_type: str
    arrived_at: datetime
    confirmed_at: datetime | None = None


AlsoRecord = Callable[[SubmissionReceived, Transaction], None]
"""What else is to be written in the transaction that commits a version."""


class Incoming:
    """One file on its way in: checks while it reads, keeps nothing but both ends of the bytes."""

    def __init__(self, assignment: Assignment, writer: ObjectWriter) -> None:
        self.assignment = assignment
        self.name = ""
        self.size_bytes = 0
        self._judge = TypeJudge()
        self._writer = writer

    def take_name(self, raw: str) -> None:
        """Take the name as it may be shown; raises `Refused` for one that is too long."""
        self.name = clean_name(raw) or UNNAMED
        check_name(self.assignment, self.name)

    def write(self, chunk: bytes) -> None:
        """Raises `Refused` as soon as the limit is passed."""
        self.size_bytes += len(chunk)
        if self.size_bytes > self.assignment.max_bytes:
            raise too_large(self.assignment)
        self._judge.feed(chunk)
        self._writer.write(chunk)

    def finish(self) -> tuple[StoredObject, str]:
        """Judge the content, make it durable; the object and its media type. Raises `Refused`."""
        media_type = check_content(self.assignment, size_bytes=self.size_bytes, media_type=self._judge.verdict())
        return self._writer.finish(), media_type


class HandIn:
    """The use case: `admit`, then feed the `Incoming`, then `complete`."""

    def __init__(
        self,
        *,
        database: Database,
        objects: ObjectStore,
        catalogue: CatalogueViews,
        deadlines: Deadlines,
        store: SubmissionStore,
        signer: KeyRing,
        issuer: str,
        quota: Quota,
        also: Sequence[AlsoRecord] = (),
    ) -> None:
        self.database = database
        self.objects = objects
        self.catalogue = catalogue
        self.deadlines = deadlines
        self.store = store
        self.signer = signer
        self.issuer = issuer
        self.also = also
        self.quota = quota

    def admit(self, attempt: Attempt) -> Assignment:
        """Authorise and check the limits before a byte is read.

        Raises `NotFound` for an assignment that is not the student's, `Refused` for what can never be handed in now.
        """
        with self.database.reading() as connection:
            assignment = self.catalogue.assignment(connection, attempt.assignment_id)
            known = assignment is not None and self._may_hand_in(connection, attempt, assignment.presentation_id)
            retried = is_known_key(connection, attempt.submitted_by, attempt.idempotency_key)
            used = self._used(attempt, connection)
            deadline = self.deadline(attempt, assignment, connection) if assignment else None
        if assignment is None or deadline is None or not known:
            detail = "There is no such assignment among your modules."
            raise NotFound(detail)
        if not retried:
            with self.recording_refusals(attempt, assignment):
                check_before_reading(assignment, deadline, attempt, self.quota, used, now=attempt.started_at)
        return assignment

    def used(self, attempt: Attempt) -> Used:
        """What was handed in of this work so far."""
        with self.database.reading() as connection:
            return self._used(attempt, connection)

    def deadline(self, attempt: Attempt, assignment: Assignment, connection: sa.Connection) -> Deadline:
        """What this work is held against now."""
        return self.deadlines.of(connection, assignment, work_id_of(attempt.assignment_id, attempt.person_ref))

    def _used(self, attempt: Attempt, connection: sa.Connection) -> Used:
        return self.store.used(work_id_of(attempt.assignment_id, attempt.person_ref), connection)

    def _may_hand_in(self, connection: sa.Connection, attempt: Attempt, presentation_id: str) -> bool:
        reached = covers(attempt.scopes, presentation_id=presentation_id, person_ref=attempt.person_ref)
        if erased_among([attempt.person_ref], connection):
            return False
        return reached and self.catalogue.is_enrolled(connection, presentation_id, attempt.person_ref)

    @contextmanager
    def incoming(self, attempt: Attempt, assignment: Assignment) -> Iterator[Incoming]:
        """Take the file in; a refusal on the way is recorded, what was written so far is discarded."""
        key = f"{attempt.assignment_id}/{work_id_of(attempt.assignment_id, attempt.person_ref)}/{uuid.uuid4()}"
        with self.recording_refusals(attempt, assignment), self.objects.writer(key) as writer:
            yield Incoming(assignment, writer)

    def complete(self, attempt: Attempt, incoming: Incoming) -> Accepted:
        """Make the bytes durable, then number, rule, sign, record and announce the version in one transaction.

        The same key with the same content answers with the first receipt; with other content raises `KeyReused`.
        """
        stored, media_type = incoming.finish()
        kill_point("submission.bytes_durable")
        arrived = Arrived(
            assignment=incoming.assignment,
            file_name=incoming.name,
            stored=stored,
            media_type=media_type,
            arrived_at=self.database.clock.now(),
        )
        try:
            with self.database.transaction(context_of(attempt)) as tx:
                accepted, is_new = self.record(attempt, arrived, tx)
        except Rejected:
            self.objects.delete(stored.key, stored.version)
            raise
        if not is_new:
            self.objects.delete(stored.key, stored.version)
        return accepted

    def record(self, attempt: Attempt, arrived: Arrived, tx: Transaction) -> tuple[Accepted, bool]:
        """Number, rule, sign, record and announce the version in this transaction.

        The same key with the same content gives the first receipt, and False; with other content raises `KeyReused`.
        Raises `Refused` when it arrived too late, or when it is more than is kept of one work.
        """
        tx.lock(work_id_of(attempt.assignment_id, attempt.person_ref))
        known = self.store.by_idempotency_key(attempt.submitted_by, attempt.idempotency_key, tx)
        accepted = None if known is not None else self._record_new(attempt, arrived, tx)
        if accepted is not None:
            return accepted, True
        known = known or self.store.by_idempotency_key(attempt.submitted_by, attempt.idempotency_key, tx)
        return _same(known, attempt, arrived), False

    def _record_new(self, attempt: Attempt, arrived: Arrived, tx: Transaction) -> Accepted | None:
        """None when the key was used for other work in the meantime."""
        assignment = self.catalogue.assignment(tx.connection, attempt.assignment_id) or arrived.assignment
        fact = self._received(attempt, assignment, arrived, tx)
        self.quota.check(self._used(attempt, tx.connection), more_bytes=arrived.stored.size_bytes)
        return self._record(attempt, arrived, fact, tx)

    def _received(
        self, attempt: Attempt, assignment: Assignment, arrived: Arrived, tx: Transaction
    ) -> SubmissionReceived:
        work_id = work_id_of(attempt.assignment_id, attempt.person_ref)
        deadline = self.deadline(attempt, assignment, tx.connection)
        band, status = check_in_time(deadline, arrived_at=arrived.arrived_at)
        cut_off = deadline.cut_off
        return SubmissionReceived(
            work_id=work_id,
            submission_id=str(uuid.uuid4()),
            version=self.store.latest_version(work_id, tx) + 1,
            assignment_id=assignment.assignment_id,
            presentation_id=assignment.presentation_id,
            assignment_kind=assignment.kind,
            scored=assignment.scored,
            anonymous=assignment.anonymous,
            person_ref=attempt.person_ref,
            submitted_by=attempt.submitted_by,
            channel=attempt.channel,
            upload_started_at=attempt.started_at,
            arrived_at=arrived.arrived_at,
            cut_off_at=cut_off.cut_off_at,
            cut_off_revision=cut_off.revision,
            band=band,
            status=status,
            object_key=arrived.stored.key,
            object_version=arrived.stored.version,
            size_bytes=arrived.stored.size_bytes,
            sha256=arrived.stored.sha256,
            media_type=arrived.media_type,
            receipt_id=str(uuid.uuid4()),
        )

    def _record(self, attempt: Attempt, arrived: Arrived, fact: SubmissionReceived, tx: Transaction) -> Accepted | None:
        """Write and announce the version; None when its key was used for other work in the meantime."""
        claims = receipt_claims(
            fact, issuer=self.issuer, simulated=tx.simulated, confirmed_at=arrived.confirmed_at or arrived.arrived_at
        )
        receipt = self.signer.sign(claims, tx)
        shared = fact.model_dump(
            include={
                "work_id",
                "submission_id",
                "version",
                "assignment_id",
                "presentation_id",
                "person_ref",
                "submitted_by",
                "upload_started_at",
                "arrived_at",
                "cut_off_at",
                "cut_off_revision",
                "object_key",
                "object_version",
                "size_bytes",
                "sha256",
                "media_type",
                "receipt_id",
            }
        )
        own = {
            "channel": str(fact.channel),
            "band": str(fact.band),
            "status": str(fact.status),
            "idempotency_key": attempt.idempotency_key,
            "file_name": arrived.file_name,
            "receipt": receipt,
        }
        if not self.store.add_version(shared | own, tx):
            return None
        for record in self.also:
            record(fact, tx)
        tx.publish(fact)
        told = {each.name for each in fields(Accepted)} - {"receipt"}
        return Accepted(receipt=receipt, **fact.model_dump(include=told))

    @contextmanager
    def recording_refusals(self, attempt: Attempt, assignment: Assignment) -> Iterator[None]:
        """Record and announce a refusal that passes through, then let it pass.

        Once for a key: who tries again under it is told by the answer, which speaks of what was just sent. What may be
        handed in is accepted under a key that was refused before.
        """
        try:
            yield
        except Refused as refused:
            self._record_refusal(attempt, assignment, refused)
            raise

    def _record_refusal(self, attempt: Attempt, assignment: Assignment, refused: Refused) -> None:
        work_id = work_id_of(attempt.assignment_id, attempt.person_ref)
        with self.database.transaction(context_of(attempt)) as tx:
            tx.lock(work_id)
            deadline = self.deadline(attempt, assignment, tx.connection)
            fact = SubmissionRefused(
                work_id=work_id,
                refusal_id=str(uuid.uuid4()),
                assignment_id=assignment.assignment_id,
                presentation_id=assignment.presentation_id,
                person_ref=attempt.person_ref,
                submitted_by=attempt.submitted_by,
                channel=attempt.channel,
                reason=refused.reason,
                refused_at=tx.now,
                cut_off_at=deadline.cut_off.cut_off_at,
            )
            row = fact.model_dump(exclude={"presentation_id", "channel", "cut_off_at"})
            own = {"reason": str(fact.reason), "idempotency_key": attempt.idempotency_key}
            if self.store.add_refusal(row | own, tx):
                tx.publish(fact)


class Showing:
    """Versions to those who may see them: a student, who handed in, and whoever helps and is recorded as looking."""

    def __init__(self, database: Database, catalogue: CatalogueViews, views: SubmissionViews) -> None:
        self.database = database
        self.catalogue = catalogue
        self.views = views

    def version(self, submission_id: str, caller: Principal, reach: Relation) -> Any:  # noqa: ANN401 - a row
        """Raises `NotFound` for what is out of the caller's reach."""
        if reach is Relation.OWN:
            with self.database.reading() as connection:
                return self.views.version(connection, submission_id, caller.person_ref)
        with self.database.transaction(Context(actor=caller.actor)) as tx:
            row = self.views.version_within(tx.connection, submission_id, caller.scopes)
            record_look(tx, person_ref=row.person_ref, what="receipt")
        return row

    def versions(self, person_ref: str, caller: Principal) -> Sequence[Any]:
        """The versions of this student's work within the caller's scopes, the latest first; records the look."""
        with self.database.transaction(Context(actor=caller.actor)) as tx:
            record_look(tx, person_ref=person_ref, what="submissions")
            return self.views.versions_within(tx.connection, person_ref, caller.scopes)

    def title_of(self, assignment_id: str) -> str:
        """The title of an assignment as it is now, empty when there is none."""
        with self.database.reading() as connection:
            assignment = self.catalogue.assignment(connection, assignment_id)
        return assignment.title if assignment else ""


class RulingHandlers:
    """What marking ruled on the versions, for the student's view."""

    def __init__(self, store: SubmissionStore) -> None:
        self.store = store

    def table(self) -> HandlerTable:
        return {
            VersionTaken: self.taken,
            VersionNotTaken: self.not_taken,
            LaterVersionTaken: self.later_taken,
            LaterVersionDeclined: self.later_declined,
            ScriptCollected: self.collected,
        }

    def taken(self, facts: Sequence[VersionTaken], tx: Transaction) -> None:
        self.store.rule([{"which": fact.submission_id, "what": "taken", "why": None} for fact in facts], tx)

    def not_taken(self, facts: Sequence[VersionNotTaken], tx: Transaction) -> None:
        rulings = [{"which": fact.submission_id, "what": "not_taken", "why": str(fact.reason)} for fact in facts]
        self.store.rule(rulings, tx)

    def later_taken(self, facts: Sequence[LaterVersionTaken], tx: Transaction) -> None:
        chosen = [{"which": fact.submission_id, "what": "taken", "when": fact.decided_at} for fact in facts]
        self.store.decide(chosen, tx)

    def later_declined(self, facts: Sequence[LaterVersionDeclined], tx: Transaction) -> None:
        chosen = [{"which": fact.submission_id, "what": "declined", "when": fact.decided_at} for fact in facts]
        self.store.decide(chosen, tx)

    def collected(self, facts: Sequence[ScriptCollected], tx: Transaction) -> None:
        self.store.collect([{"which": fact.submission_id, "when": fact.collected_at} for fact in facts], tx)


def context_of(attempt: Attempt) -> Context:
    """Who acts in what comes of an attempt, and because of which request."""
    return Context(actor=attempt.actor, correlation_id=attempt.correlation_id)


def receipt_claims(
    fact: SubmissionReceived, *, issuer: str, simulated: bool, confirmed_at: datetime
) -> dict[str, object]:
    """What a receipt says. Times in ISO 8601, UTC; `ruling` is the ruling at issue and may be corrected later."""
    claims: dict[str, object] = {
        "iss": issuer,
        "jti": fact.receipt_id,
        "iat": int(confirmed_at.timestamp()),
        "work": fact.work_id,
        "submission_id": fact.submission_id,
        "version": fact.version,
        "assignment": fact.assignment_id,
        "student": fact.person_ref,
        "submitted_by": fact.submitted_by,
        "sha256": fact.sha256,
        "size_bytes": fact.size_bytes,
        "started_at": fact.upload_started_at.isoformat(),
        "arrived_at": fact.arrived_at.isoformat(),
        "confirmed_at": confirmed_at.isoformat(),
        "cut_off_at": fact.cut_off_at.isoformat(),
        "ruling": str(fact.band),
    }
    return claims | ({"simulated": True} if simulated else {})


def _same(known: Any, attempt: Attempt, arrived: Arrived) -> Accepted:  # noqa: ANN401 - a row
    """What was given for the version that was handed in under the same key; raises `KeyReused` for another one."""
    ours = (attempt.assignment_id, attempt.person_ref, arrived.stored.sha256)
    if (known.assignment_id, known.person_ref, known.sha256) != ours:
        detail = "This Idempotency-Key was used before, for other content. Use a new key to hand in a new version."
        raise KeyReused(detail)
    return accepted_of(known)


def accepted_of(row: Any) -> Accepted:  # noqa: ANN401 - a row
    """What the student got for this version."""
    return Accepted(
        submission_id=row.submission_id,
        work_id=row.work_id,
        assignment_id=row.assignment_id,
        version=row.version,
        band=Band(row.band),
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        receipt_id=row.receipt_id,
        receipt=row.receipt,
    )
