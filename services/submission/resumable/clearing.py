"""Clears away what nobody comes back for: unfinished uploads, bytes of ended ones, and pieces that no upload has.

In small steps: each returns how many things it cleared away, and is repeated until that is none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from services.submission.resumable.checking import Checking
from services.submission.resumable.domain import KEPT_ENDED, State, Upload
from shared.chunks import in_chunks
from shared.housekeeping import STEP_ROWS
from shared.storage.port import StoredEntry

STEP = 100
SETTLED = timedelta(hours=1)
"""How old a piece is before it counts as one that no upload has: its row is written after it."""

log = structlog.get_logger()


class Clearing:
    """See the module."""

    def __init__(self, checking: Checking) -> None:
        self.checking = checking
        self.uploads = checking.uploads
        self.database = checking.database

    def expire(self) -> int:
        """End what got no more bytes for too long."""
        with self.database.reading() as connection:
            expired = self.uploads.expired(self.database.clock.now(), connection, limit=STEP)
        return sum(map(self._expire, expired))

    def discard(self) -> int:
        """Delete the files that were refused, lapsed or terminated after they were whole."""
        with self.database.reading() as connection:
            discarded = self.uploads.discarded(connection, limit=STEP)
        for upload in discarded:
            self.checking.hand_in.objects.delete(upload.object_key or "", upload.object_version or "")
            with self.database.transaction() as tx:
                self.uploads.change(upload.upload_id, tx, object_key=None, object_version=None)
        return len(discarded)

    def forget(self) -> int:
        """Delete the rows of what ended long ago."""
        with self.database.transaction() as tx:
            return self.uploads.forget_ended(tx.now - KEPT_ENDED, tx, limit=STEP_ROWS)

    def sweep(self, settled: timedelta = SETTLED) -> int:
        """Walk the staging and delete what no upload has; 0, because one walk sees all."""
        self.checking.staging.sweep(older_than_seconds=settled.total_seconds())
        before = datetime.now(UTC) - settled
        for entries in in_chunks(self.checking.staging.walk(), STEP):
            with self.database.reading() as connection:
                known = self.uploads.known_pieces([entry.key for entry in entries], connection)
            for entry in entries:
                if (entry.key, entry.version) not in known and entry.modified_at < before:
                    self._delete(entry)
        return 0

    def free_all(self) -> None:
        """For a start at which nobody else is there: whoever held an upload is gone."""
        with self.database.transaction() as tx:
            self.uploads.free_all(tx)

    def _expire(self, upload: Upload) -> bool:
        with self.database.transaction() as tx:
            tx.lock(upload.work_id)
            now = self.uploads.find(upload.upload_id, tx.connection)
            if now is None or now.state is not State.RECEIVING or now.expires_at > tx.now:
                return False
            pieces = self.uploads.pieces_of(upload.upload_id, tx.connection)
            self.uploads.move(now, State.EXPIRED, tx)
            self.uploads.forget_pieces(upload.upload_id, tx)
        self.checking.discard(pieces)
        return True

    def _delete(self, entry: StoredEntry) -> None:
        self.checking.staging.delete(entry.key, entry.version)
        log.info("upload.piece_swept", object_key=entry.key)
