"""Who is at an upload: leases that end by themselves, and transactions that only their holder gets through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from services.submission.resumable.domain import LEASE, Locked, Upload, attempt_of
from services.submission.resumable.store import UploadStore
from services.submission.submissions.handlers import context_of
from shared.database import Database, Transaction


class Leases:
    """An `Upload` that was leased names its holder: whoever has the object is at it, as long as the row says so too."""

    def __init__(self, database: Database, uploads: UploadStore) -> None:
        self.database = database
        self.uploads = uploads

    def take(self, upload: Upload, holder: str, tx: Transaction) -> Upload:
        """From now on this holder is at it; the caller has locked the work and seen that nobody else is."""
        lease = {"holder": holder, "lease_until": tx.now + LEASE}
        self.uploads.change(upload.upload_id, tx, **lease)
        return replace(upload, holder=holder, lease_until=tx.now + LEASE)

    @contextmanager
    def held(self, upload: Upload) -> Iterator[tuple[Upload, Transaction]]:
        """A transaction with the work locked, and the upload as it is now; raises `Locked` when another has it."""
        with self.database.transaction(context_of(attempt_of(upload))) as tx:
            tx.lock(upload.work_id)
            now = self.uploads.find(upload.upload_id, tx.connection)
            if now is None or now.holder != upload.holder:
                raise Locked("Another request has taken this upload over.")
            yield now, tx

    def renew(self, upload: Upload, period: timedelta = LEASE) -> None:
        """Hold it for as long again; raises `Locked`."""
        with self.held(upload) as (held, tx):
            self.uploads.change(held.upload_id, tx, lease_until=tx.now + period)

    def release(self, upload: Upload) -> None:
        """Let others in; nothing happens when another has it."""
        try:
            with self.held(upload) as (held, tx):
                self.uploads.change(held.upload_id, tx, holder=None, lease_until=None)
        except Locked:
            """Another has it: there is nothing to let go."""
