"""Handing in: bytes before the row, the row before the receipt, everything said in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from services.submission.catalogue.domain import Assignment
from services.submission.catalogue.views import CatalogueViews
from services.submission.receipts.handlers import KeyRing
from services.submission.submissions.domain import (
    Attempt,
    KeyReused,
    Refused,
    check_before_reading,
    check_content,
    check_in_time,
    check_name,
    cut_off_of,
    too_large,
)
from services.submission.submissions.store import SubmissionStore, is_known_key
from services.submission.upload.media_type import TypeJudge
from services.submission.upload.names import UNNAMED, clean_name
from shared.contracts import (
    Band,
    ScriptCollected,
    SubmissionReceived,
    SubmissionRefused,
    SubmissionStatus,
    VersionNotTaken,
    VersionTaken,
    work_id_of,
)
from shared.database import Context, Database, Transaction
from shared.errors import NotFound
from shared.killpoints import kill_point
from shared.messaging.consumer import HandlerTable
from shared.storage.port import ObjectStore, ObjectWriter, StoredObject


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
        store: SubmissionStore,
        signer: KeyRing,
        issuer: str,
    ) -> None:
        self.database = database
        self.objects = objects
        self.catalogue = catalogue
        self.store = store
        self.signer = signer
        self.issuer = issuer

    def admit(self, attempt: Attempt) -> Assignment:
        """Authorise and check the limits before a byte is read.

        Raises `NotFound` for an assignment that is not the student's, `Refused` for what can never be handed in now.
        """
        with self.database.reading() as connection:
            assignment = self.catalogue.assignment(connection, attempt.assignment_id)
            known = assignment is not None and self.catalogue.is_enrolled(
                connection, assignment.presentation_id, attempt.person_ref
            )
            retried = is_known_key(connection, attempt.submitted_by, attempt.idempotency_key)
        if assignment is None or not known:
            detail = "There is no such assignment among your modules."
            raise NotFound(detail)
        if not retried:
            with self.recording_refusals(attempt, assignment):
                check_before_reading(assignment, attempt, now=attempt.started_at)
        return assignment

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
        arrived_at = self.database.clock.now()
        try:
            known = self._commit(attempt, incoming, stored, media_type, arrived_at)
        except Refused:
            self.objects.delete(stored.key, stored.version)
            raise
        if isinstance(known, Accepted):
            return known
        self.objects.delete(stored.key, stored.version)
        if (known.assignment_id, known.sha256) != (attempt.assignment_id, stored.sha256):
            detail = "This Idempotency-Key was used before, for other content. Use a new key to hand in a new version."
            raise KeyReused(detail)
        return _accepted(known)

    def _commit(
        self, attempt: Attempt, incoming: Incoming, stored: StoredObject, media_type: str, arrived_at: datetime
    ) -> Accepted | Any:  # noqa: ANN401 - the row of an earlier version with the same key
        context = Context(actor=f"student:{attempt.submitted_by}", correlation_id=attempt.correlation_id)
        with self.database.transaction(context) as tx:
            tx.lock(work_id_of(attempt.assignment_id, attempt.person_ref))
            known = self.store.by_idempotency_key(attempt.submitted_by, attempt.idempotency_key, tx)
            if known is not None:
                return known
            assignment = self.catalogue.assignment(tx.connection, attempt.assignment_id) or incoming.assignment
            band = check_in_time(assignment, arrived_at=arrived_at)
            fact = self._received(attempt, assignment, stored, media_type, band, arrived_at, tx)
            accepted = self._record(attempt, incoming, fact, tx)
            return accepted or self.store.by_idempotency_key(attempt.submitted_by, attempt.idempotency_key, tx)

    def _received(
        self,
        attempt: Attempt,
        assignment: Assignment,
        stored: StoredObject,
        media_type: str,
        band: Band,
        arrived_at: datetime,
        tx: Transaction,
    ) -> SubmissionReceived:
        work_id = work_id_of(attempt.assignment_id, attempt.person_ref)
        cut_off = cut_off_of(assignment)
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
            arrived_at=arrived_at,
            cut_off_at=cut_off.cut_off_at,
            cut_off_revision=cut_off.revision,
            band=band,
            status=SubmissionStatus.ACCEPTED,
            object_key=stored.key,
            object_version=stored.version,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            media_type=media_type,
            receipt_id=str(uuid.uuid4()),
        )

    def _record(
        self, attempt: Attempt, incoming: Incoming, fact: SubmissionReceived, tx: Transaction
    ) -> Accepted | None:
        """Write and announce the version; None when its key was used for other work in the meantime."""
        receipt = self.signer.sign(receipt_claims(fact, issuer=self.issuer, simulated=tx.simulated), tx)
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
            "idempotency_key": attempt.idempotency_key,
            "file_name": incoming.name,
            "receipt": receipt,
        }
        if not self.store.add_version(shared | own, tx):
            return None
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
        context = Context(actor=f"student:{attempt.submitted_by}", correlation_id=attempt.correlation_id)
        with self.database.transaction(context) as tx:
            tx.lock(work_id)
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
                cut_off_at=assignment.cut_off_at,
            )
            row = fact.model_dump(exclude={"presentation_id", "channel", "cut_off_at"})
            own = {"reason": str(fact.reason), "idempotency_key": attempt.idempotency_key}
            if self.store.add_refusal(row | own, tx):
                tx.publish(fact)


class RulingHandlers:
    """What marking ruled on the versions, for the student's view."""

    def __init__(self, store: SubmissionStore) -> None:
        self.store = store

    def table(self) -> HandlerTable:
        return {VersionTaken: self.taken, VersionNotTaken: self.not_taken, ScriptCollected: self.collected}

    def taken(self, facts: Sequence[VersionTaken], tx: Transaction) -> None:
        self.store.rule([{"which": fact.submission_id, "what": "taken", "why": None} for fact in facts], tx)

    def not_taken(self, facts: Sequence[VersionNotTaken], tx: Transaction) -> None:
        rulings = [{"which": fact.submission_id, "what": "not_taken", "why": str(fact.reason)} for fact in facts]
        self.store.rule(rulings, tx)

    def collected(self, facts: Sequence[ScriptCollected], tx: Transaction) -> None:
        self.store.collect([{"which": fact.submission_id, "when": fact.collected_at} for fact in facts], tx)


def receipt_claims(fact: SubmissionReceived, *, issuer: str, simulated: bool) -> dict[str, object]:
    """What a receipt says. Times in ISO 8601, UTC; `ruling` is the ruling at issue and may be corrected later."""
    claims: dict[str, object] = {
        "iss": issuer,
        "jti": fact.receipt_id,
        "iat": int(fact.arrived_at.timestamp()),
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
        "confirmed_at": fact.arrived_at.isoformat(),
        "cut_off_at": fact.cut_off_at.isoformat(),
        "ruling": str(fact.band),
    }
    return claims | ({"simulated": True} if simulated else {})


def _accepted(row: Any) -> Accepted:  # noqa: ANN401 - a row
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
