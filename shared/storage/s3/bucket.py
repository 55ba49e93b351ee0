"""A bucket as the MinIO SDK reaches it: everything but the writing of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, GOVERNANCE
from minio.error import S3Error
from minio.retention import Retention
from minio.versioningconfig import VersioningConfig
from urllib3 import BaseHTTPResponse

from shared.errors import Unavailable
from shared.storage.port import ObjectMissing, ObjectRetained
from shared.storage.s3.address import S3Address, Worm
from shared.storage.s3.failures import Refusal, s3_errors

CHUNK_BYTES = 256 * 1024
CONNECT_SECONDS = 2.0
_DENIALS = frozenset({"AccessDenied", "InvalidRequest"})
"""What servers answer to a deletion or a shorter lock under retention; the first also to those who never may."""

_MADE_BY_ANOTHER = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
_NOT_THERE = frozenset({"NoSuchKey", "BadRequest"})
"""What the SDK makes of an answer to HEAD, which has no words: 404, and 400 for what is no version's id."""


def connections(*, read_seconds: float) -> urllib3.PoolManager:
    """Connections that wait a bounded time and try once more: a server closes idle ones when it likes.

    A refused or slowed down request is repeated after a moment, the last answer is what counts.
    """
    again = urllib3.Retry(
        total=2,
        connect=1,
        read=1,
        other=0,
        redirect=0,
        status=2,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=None,
        backoff_factor=0.1,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)
    return urllib3.PoolManager(maxsize=64, timeout=timeout, retries=again)


class Bucket:
    """Raises `Unavailable`, and `ObjectMissing` for what is not there; names are those of objects, not keys."""

    def __init__(self, address: S3Address, pool: urllib3.PoolManager) -> None:
        self.name = address.bucket
        self.worm = address.worm
        self._sdk = Minio(
            address.host,
            access_key=address.access_key,
            secret_key=address.secret_key,
            secure=address.tls,
            region=address.region,
            http_client=pool,
        )

    def prepare(self) -> None:
        """Make the bucket if it is not there, and let it keep versions."""
        with s3_errors():
            if not self._sdk.bucket_exists(self.name):
                self._make()
            if self._sdk.get_bucket_versioning(self.name).status != ENABLED:
                self._sdk.set_bucket_versioning(self.name, VersioningConfig(ENABLED))

    def read(self, name: str, version: str) -> Iterator[bytes]:
        """The bytes in pieces; `ObjectMissing` is raised by the call."""
        with s3_errors():
            answer = self._sdk.get_object(self.name, name, version_id=version)
        return _pieces(answer)

    def stat(self, name: str, version: str) -> tuple[int, datetime] | None:
        """Size in bytes and age of a version; None when it is not there."""
        with s3_errors():
            try:
                found = self._sdk.stat_object(self.name, name, version_id=version)
            except S3Error as error:
                if error.code not in _NOT_THERE:
                    raise
                if not self._sdk.bucket_exists(self.name):
                    raise Refusal(f"There is no bucket {self.name}.") from error
                return None
        if found.size is None or found.last_modified is None:
            detail = "The object store did not say how large an object is, or how old."
            raise Unavailable(detail)
        return found.size, found.last_modified

    def remove(self, name: str, version: str) -> None:
        """Remove a version, unless it is locked: `ObjectRetained`. Fine if it is not there."""
        with suppress(ObjectMissing), s3_errors():
            try:
                self._sdk.remove_object(self.name, name, version_id=version)
            except S3Error as error:
                if error.code in _DENIALS and self._is_locked(name, version, datetime.now(UTC)):
                    raise ObjectRetained from error
                raise

    def lock(self, name: str, version: str, until: datetime) -> None:
        """Let nobody remove a version before that moment; a lock that ends later stays."""
        with s3_errors():
            try:
                self._sdk.set_object_retention(self.name, name, Retention(GOVERNANCE, until), version_id=version)
            except S3Error as error:
                if error.code not in _DENIALS or not self._is_locked(name, version, until):
                    raise

    def _make(self) -> None:
        try:
            self._sdk.make_bucket(self.name, object_lock=self.worm is not Worm.OFF)
        except S3Error as error:
            if error.code not in _MADE_BY_ANOTHER:
                raise

    def _is_locked(self, name: str, version: str, at: datetime) -> bool:
        lock = self._sdk.get_object_retention(self.name, name, version_id=version)
        return lock is not None and lock.retain_until_date > at


def _pieces(answer: BaseHTTPResponse) -> Iterator[bytes]:
    """Raises when there are fewer bytes than announced; a reader who stops early costs the connection."""
    try:
        with s3_errors():
            yield from answer.stream(CHUNK_BYTES, decode_content=False)
    finally:
        answer.close()
        answer.release_conn()
