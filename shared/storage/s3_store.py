"""Objects in a bucket of any S3 server, one version for each writing, named as `shared/storage/s3/names.py` says.

The bucket is made when it is not there, and keeps versions. An object that fits into a part is one request; a larger
one goes in parts and cannot be seen before the last. Each version can be locked against deletion, if the store proves
at the start that it keeps the lock. What a lost answer leaves behind, a version that nobody knows, is an orphan like
any other. It does not encrypt or replicate; that is the server's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from shared.storage.port import ObjectWriter, Retention, StoredEntry
from shared.storage.s3.address import S3Address
from shared.storage.s3.bucket import Bucket, connections
from shared.storage.s3.names import READY, key_of, name_of
from shared.storage.s3.requests import SignedRequests
from shared.storage.s3.retention import proven_retention
from shared.storage.s3.writer import S3Writer

READ_SECONDS = 15.0
READY_SECONDS = 3.0
"""How long an answer may take; readiness is asked often, and by somebody who does not wait."""


class S3Store:
    """See the module. Raises `Unavailable` when the server is away, `BadSettings` when it keeps no locks but must."""

    def __init__(self, address: S3Address) -> None:
        pool = connections(read_seconds=READ_SECONDS)
        self._requests = SignedRequests(address, pool)
        self._hasty_requests = SignedRequests(address, connections(read_seconds=READY_SECONDS))
        self._bucket = Bucket(address, pool)
        self._bucket.prepare()
        self.retention: Retention | None = proven_retention(address, self._bucket, self._requests)

    @classmethod
    def from_url(cls, url: str) -> S3Store:
        """The store of `s3://KEY:SECRET@HOST:PORT/BUCKET`."""
        return cls(S3Address.from_url(url))

    @contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        writer = S3Writer(self._requests, name=name_of(key), key=key)
        try:
            yield writer
        finally:
            writer.discard()

    def read(self, key: str, version: str) -> Iterator[bytes]:
        return self._bucket.read(name_of(key), version)

    def stat(self, key: str, version: str) -> StoredEntry | None:
        found = self._bucket.stat(name_of(key), version)
        if found is None:
            return None
        size_bytes, modified_at = found
        return StoredEntry(key=key, version=version, size_bytes=size_bytes, modified_at=modified_at)

    def walk(self, prefix: str = "") -> Iterator[StoredEntry]:
        for found in self._requests.versions(prefix):
            key = key_of(found.name)
            if key is not None:
                yield StoredEntry(
                    key=key, version=found.version, size_bytes=found.size_bytes, modified_at=found.modified_at
                )

    def delete(self, key: str, version: str) -> None:
        self._bucket.remove(name_of(key), version)

    def sweep(self, *, older_than_seconds: float) -> int:
        limit = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        old = [
            upload
            for upload in self._requests.begun()
            if upload.begun_at < limit and self._requests.moved_at(upload) < limit
        ]
        for upload in old:
            self._requests.abort(upload.name, upload.upload_id)
        return len(old)

    def ready(self) -> None:
        self._hasty_requests.abort(READY, self._hasty_requests.begin(READY))
