"""The use cases of uploads that can be resumed: begin one, receive, terminate, hand in what is ready, let lapse."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from services.submission.catalogue.domain import Assignment
from services.submission.resumable.checking import LAPSE, Checking
from services.submission.resumable.domain import (
    KEPT_UNFINISHED,
    BadHeader,
    Checksum,
    State,
    TooManyBytes,
    TooManyUploads,
    Upload,
    attempt_of,
    check_may_end,
    check_not_over,
    check_ready,
    check_receiving,
    key_in,
    metadata_in,
)
from services.submission.resumable.reception import Reception
from services.submission.submissions.domain import Attempt, Refused, check_content, check_name, too_large
from services.submission.submissions.handlers import Accepted, Arrived, accepted_of, context_of
from services.submission.upload.names import UNNAMED, clean_name
from shared.contracts import Channel, RefusalReason, UploadLapsed, work_id_of
from shared.database import Transaction
from shared.errors import NotFound
from shared.killpoints import kill_point
from shared.storage.port import StoredObject
from shared.timers import Timer, TimerHandler

_ASSIGNMENT = re.compile(r"[\x21-\x7e]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Creation:
    """Somebody wants to upload a file of `length` bytes."""

    person_ref: str
    channel: Channel
    length: int
    metadata: str
    correlation_id: str


class Uploads:
    """Every upload is its student's own; another's is `NotFound`."""

    def __init__(self, checking: Checking) -> None:
        self.checking = checking
        self.leases = checking.leases
        self.uploads = checking.uploads
        self.database = checking.database
        self.hand_in = checking.hand_in
        self.timers = checking.timers

    def create(self, creation: Creation) -> Upload:
        """Begin one, if such a file can be handed in.

        Raises `BadHeader`, `NotFound`, `TooManyUploads`, and `Refused`, which is recorded and told.
        """
        metadata = metadata_in(creation.metadata)
        upload_id = str(uuid.uuid4())
        attempt = Attempt(
            assignment_id=_assignment_in(metadata),
            person_ref=creation.person_ref,
            submitted_by=creation.person_ref,
            channel=creation.channel,
            idempotency_key=key_in(metadata) or upload_id,
            started_at=self.database.clock.now(),
            announced_bytes=creation.length,
            correlation_id=creation.correlation_id,
        )
        file_name = clean_name(metadata.get("filename", "")) or UNNAMED
        assignment = self.hand_in.admit(attempt)
        with self.hand_in.recording_refusals(attempt, assignment):
            _check_announced(assignment, length=creation.length, file_name=file_name)
            self.hand_in.quota.check(self.hand_in.used(attempt), more_bytes=creation.length)
        return self._begin(upload_id, attempt, assignment, creation, file_name)

    def receive(
        self, upload_id: str, person_ref: str, *, offset: int, announced_bytes: int, checksum: Checksum | None
    ) -> Reception:
        """Let a request write at this offset, before the first byte is read.

        Raises `NotFound`, `Gone`, `WrongOffset`, `TooManyBytes`, and `Locked` while another request writes.
        """
        upload = self.own(upload_id, person_ref)
        if offset + announced_bytes > upload.length:
            detail = f"The upload was announced with {upload.length} bytes; this request goes beyond them."
            raise TooManyBytes(detail)
        with self._changing(upload) as (now, tx):
            check_receiving(now, offset=offset, now=tx.now)
            receiving = now.state is State.RECEIVING
            taken = self.leases.take(now, str(uuid.uuid4()), tx) if receiving else now
        return Reception(
            taken, checksum=checksum, leases=self.leases, staging=self.checking.staging, checking=self.checking
        )

    def terminate(self, upload_id: str, person_ref: str) -> None:
        """Delete it at its student's request; raises `NotFound`, `Gone`, `Locked`, `HandedIn`."""
        upload = self.own(upload_id, person_ref)
        with self._changing(upload) as (now, tx):
            check_may_end(now, now=tx.now)
            pieces = self.uploads.pieces_of(upload_id, tx.connection)
            self.uploads.move(now, State.TERMINATED, tx)
            self.uploads.forget_pieces(upload_id, tx)
            self.timers.cancel(tx, kind=LAPSE, key=upload_id)
        self.checking.discard(pieces)

    def confirm(self, upload_id: str, person_ref: str) -> Accepted:
        """Hand it in: the version arrived when its last byte did. Repeated, it gives the same receipt.

        Raises `NotFound`, `NotWhole`, `Gone`, `KeyReused`, and `Refused`, which is recorded and told.
        """
        upload = self.own(upload_id, person_ref)
        attempt, assignment = attempt_of(upload), self.checking.assignment_of(upload)
        try:
            with self.hand_in.recording_refusals(attempt, assignment), self._changing(upload) as (now, tx):
                accepted = self._hand_in(now, attempt, assignment, tx)
        except Refused as refused:
            if refused.reason is not RefusalReason.QUOTA:  # which can be raised: until it lapses the file is here
                self._refuse(upload, refused)
            raise
        kill_point("upload.confirmed")
        return accepted

    def own(self, upload_id: str, person_ref: str) -> Upload:
        """The upload of this person; raises `NotFound` for another's."""
        with self.database.reading() as connection:
            upload = self.uploads.find(upload_id, connection)
        if upload is None or upload.submitted_by != person_ref:
            raise NotFound("There is no such upload among yours.")
        return upload

    def not_over(self, upload_id: str, person_ref: str) -> Upload:
        """The same, as long as it can be asked how far it is; raises `Gone` for what has expired or was deleted."""
        upload = self.own(upload_id, person_ref)
        check_not_over(upload, now=self.database.clock.now())
        return upload

    def waiting(self, connection: sa.Connection, assignment_id: str, person_ref: str) -> Sequence[Upload]:
        """The person's uploads for an assignment that are not handed in, whole or not."""
        return self.uploads.open_of(work_id_of(assignment_id, person_ref), connection)

    def waiting_works(self, connection: sa.Connection, work_ids: Sequence[str]) -> Collection[str]:
        """Those of these works for which something is uploaded and not handed in."""
        return self.uploads.works_with_open(work_ids, connection)

    def timer_handlers(self) -> Mapping[str, TimerHandler]:
        return {LAPSE: self.lapse}

    def lapse(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """What nobody handed in while there was time is over, and its student is told."""
        upload_ids = [timer.key for timer in timers]
        tx.lock(*(upload.work_id for upload in self.uploads.of_ids(upload_ids, tx)))
        for upload in self.uploads.of_ids(upload_ids, tx):
            if upload.state is State.READY:
                self.uploads.move(upload, State.LAPSED, tx)
                tx.publish(_lapsed(upload, tx))

    def _begin(
        self, upload_id: str, attempt: Attempt, assignment: Assignment, creation: Creation, file_name: str
    ) -> Upload:
        work_id = work_id_of(attempt.assignment_id, attempt.person_ref)
        with self.database.transaction(context_of(attempt)) as tx:
            tx.lock(work_id)
            most = self.hand_in.quota.uploads
            if self.uploads.count_open(work_id, tx) >= most:
                raise TooManyUploads(f"{most} uploads for this assignment are not at their end. End one first.")
            upload = Upload(
                upload_id=upload_id,
                work_id=work_id,
                assignment_id=attempt.assignment_id,
                presentation_id=assignment.presentation_id,
                person_ref=attempt.person_ref,
                submitted_by=attempt.submitted_by,
                channel=attempt.channel,
                idempotency_key=attempt.idempotency_key,
                correlation_id=attempt.correlation_id,
                metadata=creation.metadata,
                file_name=file_name,
                length=creation.length,
                offset=0,
                state=State.RECEIVING,
                started_at=attempt.started_at,
                expires_at=tx.now + KEPT_UNFINISHED,
            )
            self.uploads.add(upload, tx)
        return upload

    def _hand_in(self, upload: Upload, attempt: Attempt, assignment: Assignment, tx: Transaction) -> Accepted:
        if upload.state is State.CONFIRMED:
            return accepted_of(self.hand_in.store.by_submission_id(upload.submission_id or "", tx))
        check_ready(upload, now=tx.now)
        accepted, is_new = self.hand_in.record(attempt, _arrived(upload, assignment, tx), tx)
        place = {"object_key": None, "object_version": None} if is_new else {}
        self.uploads.move(upload, State.CONFIRMED, tx, submission_id=accepted.submission_id, **place)
        self.timers.cancel(tx, kind=LAPSE, key=upload.upload_id)
        return accepted

    def _refuse(self, upload: Upload, refused: Refused) -> None:
        with self._changing(upload) as (now, tx):
            if now.state is State.READY:
                self.checking.refuse(now, refused, tx)

    @contextmanager
    def _changing(self, upload: Upload) -> Iterator[tuple[Upload, Transaction]]:
        """A transaction with the work locked, and the upload as it is now."""
        with self.database.transaction(context_of(attempt_of(upload))) as tx:
            tx.lock(upload.work_id)
            now = self.uploads.find(upload.upload_id, tx.connection)
            if now is None:
                raise NotFound("There is no such upload among yours.")
            yield now, tx


def _assignment_in(metadata: Mapping[str, str]) -> str:
    assignment_id = metadata.get("assignment", "")
    if not _ASSIGNMENT.fullmatch(assignment_id):
        raise BadHeader("Upload-Metadata must name the assignment, such as `assignment` with the value K827-26J-TMA01.")
    return assignment_id


def _check_announced(assignment: Assignment, *, length: int, file_name: str) -> None:
    """Refuse what its announcement shows already; raises `Refused`."""
    if length == 0:
        check_content(assignment, size_bytes=0, media_type=None)
    if length > assignment.max_bytes:
        raise too_large(assignment)
    check_name(assignment, file_name)


def _arrived(upload: Upload, assignment: Assignment, tx: Transaction) -> Arrived:
    stored = StoredObject(
        key=upload.object_key or "",
        version=upload.object_version or "",
        size_bytes=upload.length,
        sha256=upload.sha256 or "",
    )
    return Arrived(
        assignment=assignment,
        file_name=upload.file_name,
        stored=stored,
        media_type=upload.media_type or "",
        arrived_at=upload.arrived_at or tx.now,
        confirmed_at=tx.now,
    )


def _lapsed(upload: Upload, tx: Transaction) -> UploadLapsed:
    return UploadLapsed(
        work_id=upload.work_id,
        upload_id=upload.upload_id,
        assignment_id=upload.assignment_id,
        presentation_id=upload.presentation_id,
        person_ref=upload.person_ref,
        submitted_by=upload.submitted_by,
        arrived_at=upload.arrived_at or tx.now,
        lapsed_at=tx.now,
    )
