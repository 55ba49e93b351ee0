"""The bytes of one request on their way into staging, a piece at a time.

Who receives holds a lease and not a lock: a slow client keeps no transaction open, and a process that dies keeps
nobody out for long. Each note of a piece looks whether the lease is still one's own and the offset the one that is
known (`UploadStore`), so that of two who believe that they receive only one can.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

import structlog

from services.submission.resumable.checking import Checking
from services.submission.resumable.domain import (
    CHECKED_AT_ONCE_BYTES,
    KEPT_UNFINISHED,
    LEASE,
    PIECE_BYTES,
    RENEWAL_SECONDS,
    Checksum,
    Locked,
    Piece,
    State,
    TooManyBytes,
    Upload,
    WrongChecksum,
)
from services.submission.resumable.leases import Leases
from services.submission.resumable.piece_buffer import PieceBuffer
from shared.database import Transaction
from shared.errors import Unavailable
from shared.killpoints import kill_point
from shared.storage.port import ObjectStore

log = structlog.get_logger()


class Reception:
    """Feed it by `take`, with a `store` whenever it `is_full`; then `finish`, `break_off` or `abandon`, once.

    With a checksum nothing counts before all of the request was compared; without one, what came counts.
    """

    def __init__(
        self, upload: Upload, *, checksum: Checksum | None, leases: Leases, staging: ObjectStore, checking: Checking
    ) -> None:
        self.upload = upload
        self.offset = upload.offset
        self._checksum = checksum
        self._hash = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._leases = leases
        self._staging = staging
        self._checking = checking
        self._buffer = PieceBuffer()
        self._held: list[Piece] = []
        self._renewed = time.monotonic()

    @property
    def is_full(self) -> bool:
        """Whether a piece is in hand and has to be stored before more is taken."""
        return len(self._buffer) == PIECE_BYTES

    @property
    def is_due(self) -> bool:
        """Whether it is time to `renew`: bytes come, and have not filled a piece for some seconds."""
        return time.monotonic() - self._renewed > RENEWAL_SECONDS

    def take(self, chunk: memoryview) -> int:
        """Take as many bytes as there is room for; how many. Raises `TooManyBytes`."""
        taken = chunk[: min(PIECE_BYTES - len(self._buffer), self._expect_more())]
        self._buffer.add(taken)
        return len(taken)

    def store(self) -> None:
        """Make the piece in hand durable, because more comes. Raises `Locked` when another has taken over."""
        self._expect_more()
        piece = self._stage()
        if self._checksum:
            self._held.append(piece)
            self.renew()
        else:
            self._note([piece], is_last=False)

    def renew(self) -> None:
        """Say that bytes still come; raises `Locked`."""
        self._leases.renew(self.upload)
        self._renewed = time.monotonic()

    def finish(self) -> int:
        """The request is at its end: the new offset. Raises `WrongChecksum`, and then nothing of it counts."""
        if self.upload.state is not State.RECEIVING:
            return self.offset
        if self._is_whole_file:
            self._compare(self._buffer.slices())
            self._checking.check_bytes(self.upload, self._buffer.slices())
            self._buffer.clear()
            return self.upload.length
        rest = [self._stage()] if self._buffer else []
        self._held += rest
        self._compare()
        self._note(self._held, is_last=True)
        self._held = []
        if self.offset == self.upload.length and self.upload.length <= CHECKED_AT_ONCE_BYTES:
            self._check_at_once()
        return self.offset

    def break_off(self) -> None:
        """The connection broke: keep what came, unless it had to be compared; let the next request in at once."""
        try:
            if self._buffer and not self._checksum:
                with suppress(Locked):
                    self._note([self._stage()], is_last=True)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let the next request in; what does not count goes."""
        self._buffer.clear()
        try:
            self._leases.release(self.upload)
            self._discard(self._held)
        except Unavailable as error:
            log.warning("upload.not_released", upload_id=self.upload.upload_id, code=error.code)

    @property
    def _end(self) -> int:
        return self.offset + sum(piece.size_bytes for piece in self._held)

    def _expect_more(self) -> int:
        """How many bytes may come yet."""
        left = self.upload.length - self._end - len(self._buffer)
        if left == 0:
            raise TooManyBytes(f"The upload was announced with {self.upload.length} bytes, and there are more.")
        return left

    @property
    def _is_whole_file(self) -> bool:
        return self._end == 0 and len(self._buffer) == self.upload.length

    def _stage(self) -> Piece:
        offset = self._end
        with self._staging.writer(f"{self.upload.upload_id}/{offset:015d}") as writer:
            for chunk in self._buffer.slices():
                writer.write(chunk)
                if self._hash:
                    self._hash.update(chunk)
            stored = writer.finish()
        self._buffer.clear()
        kill_point("upload.piece_durable")
        return Piece(
            upload_id=self.upload.upload_id,
            offset=offset,
            size_bytes=stored.size_bytes,
            object_key=stored.key,
            object_version=stored.version,
        )

    def _note(self, pieces: Sequence[Piece], *, is_last: bool) -> None:
        """The pieces count from now on. After the last byte the file is whole, and has arrived."""
        end = self.offset + sum(piece.size_bytes for piece in pieces)
        try:
            with self._leases.held(self.upload) as (held, tx):
                self._write(held, pieces, end, tx, is_last=is_last)
        except Locked:
            self._discard(pieces)
            raise
        self.offset = end
        self._renewed = time.monotonic()
        kill_point("upload.piece_noted")

    def _write(self, held: Upload, pieces: Sequence[Piece], end: int, tx: Transaction, *, is_last: bool) -> None:
        if held.offset != self.offset:
            raise Locked("Another request has written this upload further.")
        whole = end == held.length
        keeps = not is_last or (whole and held.length <= CHECKED_AT_ONCE_BYTES)
        values: dict[str, object] = {"offset": end, "expires_at": tx.now + KEPT_UNFINISHED}
        values |= {"lease_until": tx.now + LEASE} if keeps else {"holder": None, "lease_until": None}
        self._leases.uploads.add_pieces(pieces, tx)
        if whole:
            self._leases.uploads.move(held, State.CHECKING, tx, arrived_at=tx.now, **values)
        else:
            self._leases.uploads.change(held.upload_id, tx, **values)

    def _compare(self, rest: Iterable[bytes] = ()) -> None:
        if self._checksum is None or self._hash is None:
            return
        for chunk in rest:
            self._hash.update(chunk)
        if not hmac.compare_digest(self._hash.digest(), self._checksum.digest):
            raise WrongChecksum(f"The bytes do not have this {self._checksum.algorithm}. Please send them again.")

    def _check_at_once(self) -> None:
        """What cannot be checked now is checked soon: the bytes are here, and that is what is answered."""
        try:
            self._checking.check(self.upload)
        except Unavailable as error:
            log.warning("upload.not_checked", upload_id=self.upload.upload_id, code=error.code)
            self.abandon()

    def _discard(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            self._staging.delete(piece.object_key, piece.object_version)
