"""From whole to ready: one pass over the bytes finds out type and hash and writes the final object.

Killed anywhere it is done again: the pieces stay until the upload is ready, and what was written before that is an
orphan like any other. A small file comes as it is, without having been in staging.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from services.submission.catalogue.domain import Assignment
from services.submission.resumable.domain import (
    RENEWAL_SECONDS,
    TO_CONFIRM,
    Locked,
    Piece,
    State,
    Upload,
    attempt_of,
)
from services.submission.resumable.leases import Leases
from services.submission.submissions.domain import Refused, check_in_time
from services.submission.submissions.handlers import HandIn
from shared.database import Transaction
from shared.errors import NotFound, Rejected, Unavailable
from shared.killpoints import kill_point
from shared.storage.port import ObjectStore, StoredObject
from shared.timers import Timers

LAPSE = "upload.lapse"
PUT_OFF = timedelta(minutes=5)

log = structlog.get_logger()


class Damaged(Rejected):
    """The pieces of an upload are not the file that was announced: a fault of ours."""

    code = "upload_damaged"
    status = 500
    title = "The uploaded file is damaged"


class Stopped(Exception):
    """The process is to end; the next one goes on."""


class Checking:
    """Of uploads that the caller holds. Raises `Locked` when another has taken over, and `Unavailable`."""

    def __init__(self, *, leases: Leases, hand_in: HandIn, staging: ObjectStore, timers: Timers) -> None:
        self.leases = leases
        self.uploads = leases.uploads
        self.database = leases.database
        self.hand_in = hand_in
        self.staging = staging
        self.timers = timers

    def check(self, upload: Upload, stop: threading.Event | None = None) -> None:
        """Make it ready, or refused; then its pieces go. Raises `Stopped` between two chunks when that is asked for."""
        kill_point("upload.checking")
        with self.database.reading() as connection:
            pieces = self.uploads.pieces_of(upload.upload_id, connection)
        self._check(upload, self._bytes_of(upload, pieces, stop or threading.Event()))
        kill_point("upload.ready")
        self.discard(pieces)

    def check_bytes(self, upload: Upload, content: Iterable[bytes]) -> None:
        """The same of a file that is in hand as a whole; its bytes become durable by this alone."""
        self._check(upload, content)

    def discard(self, pieces: Iterable[Piece]) -> None:
        """Delete pieces that no upload has any more; what cannot be deleted now, the sweep finds."""
        try:
            for piece in pieces:
                self.staging.delete(piece.object_key, piece.object_version)
        except Unavailable as error:
            log.warning("upload.pieces_left", code=error.code)

    def assignment_of(self, upload: Upload) -> Assignment:
        """What it is for, as the catalogue says now."""
        with self.database.reading() as connection:
            assignment = self.hand_in.catalogue.assignment(connection, upload.assignment_id)
        if assignment is None:
            raise NotFound(f"The catalogue has no {upload.assignment_id}.")
        return assignment

    def _check(self, upload: Upload, chunks: Iterable[bytes]) -> None:
        try:
            stored, media_type = self._judge(upload, chunks)
        except Refused as refused:
            with self.leases.held(upload) as (held, tx):
                self.refuse(held, refused, tx)
            return
        kill_point("upload.copied")
        try:
            if stored.size_bytes != upload.length:
                raise Damaged(f"{stored.size_bytes} of {upload.length} bytes were found.")
            with self.leases.held(upload) as (held, tx):
                self._make_ready(held, stored, media_type, tx)
        except Rejected:
            self.hand_in.objects.delete(stored.key, stored.version)
            raise

    def _judge(self, upload: Upload, chunks: Iterable[bytes]) -> tuple[StoredObject, str]:
        """Write the final object; raises `Refused`, which is then recorded and told."""
        assignment = self.assignment_of(upload)
        with self.hand_in.incoming(attempt_of(upload), assignment) as incoming:
            self._check_in_time(upload, assignment)
            for chunk in chunks:
                incoming.write(chunk)
            return incoming.finish()

    def _check_in_time(self, upload: Upload, assignment: Assignment) -> None:
        with self.database.reading() as connection:
            deadline = self.hand_in.deadline(attempt_of(upload), assignment, connection)
        check_in_time(deadline, arrived_at=upload.arrived_at or self.database.clock.now())

    def _bytes_of(self, upload: Upload, pieces: Sequence[Piece], stop: threading.Event) -> Iterator[bytes]:
        renewed = time.monotonic()
        for piece in pieces:
            for chunk in self.staging.read(piece.object_key, piece.object_version):
                if stop.is_set():
                    raise Stopped
                if time.monotonic() - renewed > RENEWAL_SECONDS:
                    self.leases.renew(upload)
                    renewed = time.monotonic()
                yield chunk

    def _make_ready(self, upload: Upload, stored: StoredObject, media_type: str, tx: Transaction) -> None:
        confirm_by = tx.now + TO_CONFIRM
        self.uploads.move(
            upload,
            State.READY,
            tx,
            offset=upload.length,
            arrived_at=upload.arrived_at or tx.now,
            confirm_by=confirm_by,
            sha256=stored.sha256,
            media_type=media_type,
            object_key=stored.key,
            object_version=stored.version,
            holder=None,
            lease_until=None,
        )
        self.uploads.forget_pieces(upload.upload_id, tx)
        self.timers.set(tx, kind=LAPSE, key=upload.upload_id, due_at=confirm_by)

    def refuse(self, upload: Upload, refused: Refused, tx: Transaction) -> None:
        """It is at its end, and why; what it has of bytes goes."""
        self.uploads.move(
            upload,
            State.REFUSED,
            tx,
            offset=upload.length,
            arrived_at=upload.arrived_at or tx.now,
            refusal_reason=str(refused.reason),
            refusal_detail=refused.detail,
            holder=None,
            lease_until=None,
        )
        self.uploads.forget_pieces(upload.upload_id, tx)
        self.timers.cancel(tx, kind=LAPSE, key=upload.upload_id)


class CheckingLoop:
    """Checks what is whole and at which nobody is: large files, and those whose process died.

    One that fails, and not by its infrastructure, is tried again later and holds up no other.
    """

    name = "submission.checking"

    def __init__(self, checking: Checking) -> None:
        self.checking = checking

    def step(self, stop: threading.Event) -> bool:
        """Check one; whether there was one. Raises `Unavailable`."""
        upload = self._claimed()
        if upload is None:
            return False
        try:
            self.checking.check(upload, stop)
        except (Stopped, Unavailable) as error:
            self.checking.leases.release(upload)
            if isinstance(error, Unavailable):
                raise
        except Locked:
            log.warning("upload.taken_over", upload_id=upload.upload_id)
        except Exception:
            log.exception("upload.check_failed", upload_id=upload.upload_id)
            self._put_off(upload)
        return True

    def _put_off(self, upload: Upload) -> None:
        with suppress(Locked):
            self.checking.leases.renew(upload, PUT_OFF)

    def is_busy(self) -> bool:
        """Whether anything is not checked yet."""
        with self.checking.database.reading() as connection:
            return self.checking.uploads.is_checking(connection)

    def _claimed(self) -> Upload | None:
        database, uploads = self.checking.database, self.checking.uploads
        with database.reading() as connection:
            waiting = uploads.unchecked(database.clock.now(), connection, limit=1)
        if not waiting:
            return None
        with database.transaction() as tx:
            tx.lock(waiting[0].work_id)
            still = uploads.unchecked(tx.now, tx.connection, limit=1)
            same = [upload for upload in still if upload.upload_id == waiting[0].upload_id]
            return self.checking.leases.take(same[0], str(uuid.uuid4()), tx) if same else None
