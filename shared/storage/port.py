"""The object store port: bytes under a key, never overwritten, durable before anybody is told so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.errors import Rejected

MAX_KEY_CHARACTERS = 200
ORPHANS_KEPT = timedelta(days=30)
"""How long bytes stay after it was noticed that no version knows them. A crash leaves them behind; but when a database
was lost, or restored from an older backup, they are the only copy of work for which a student holds a receipt."""

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class ObjectMissing(Rejected):
    """There is no such object. That is not an outage: waiting does not bring it back."""

    code = "object_missing"
    status = 500
    title = "The stored file cannot be found"


class ObjectRetained(Rejected):
    """The object may not be deleted yet, by anybody. Nor is that an outage: trying again does not help."""

    code = "object_retained"
    status = 409
    title = "The stored file may not be deleted yet"


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One durable version of an object; `sha256` in hexadecimal."""

    key: str
    version: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StoredEntry:
    """An object as found by walking the store."""

    key: str
    version: str
    size_bytes: int
    modified_at: datetime


class ObjectWriter(Protocol):
    """Takes the bytes of one object, in constant memory."""

    def write(self, chunk: bytes) -> None: ...

    def finish(self) -> StoredObject:
        """Make the object visible and durable; when this returns, a power cut cannot take it back.

        When it raises `Unavailable`, the object may be there all the same, as a version that nobody knows.
        """
        ...


class Retention(Protocol):
    """A lock against deletion that the store itself keeps, also against whoever runs this code."""

    period: timedelta

    def retain(self, key: str, version: str, until: datetime) -> None:
        """From now on `delete` of this version raises `ObjectRetained`, until that moment, which is to come.

        May be repeated, also with a later moment; a lock that ends later stays. Raises `ObjectMissing`, `Unavailable`.
        """
        ...


class ObjectStore(Protocol):
    """Where the bytes are.

    * A key may be written again: that makes another version, the first stays.
    * A writer that is left without `finish` leaves nothing that `walk` would show.
    * Raises `Unavailable` (`StorageFull` without room) for an outage, `ObjectMissing` for what does not exist.
    * `retention` is None in a store that cannot keep anybody from deleting.
    """

    retention: Retention | None

    def writer(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """A writer for a new version of `key`; raises `ValueError` for what is not a key."""
        ...

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """The bytes in pieces of at most 256 KiB. `ObjectMissing` is raised by the call, not by the first piece."""
        ...

    def stat(self, key: str, version: str) -> StoredEntry | None: ...

    def walk(self, prefix: str = "") -> Iterator[StoredEntry]:
        """All finished objects whose key begins with `prefix`, in no promised order."""
        ...

    def delete(self, key: str, version: str) -> None:
        """Remove one version, for good: a power cut does not bring it back. Fine if it is not there.

        Raises `ObjectRetained` for what must stay.
        """
        ...

    def sweep(self, *, older_than_seconds: float) -> int:
        """Remove what broken writers left behind; returns how many.

        The age is that of the last bytes, by the machine's clock: a slow upload is none that is broken.
        """
        ...

    def ready(self) -> None:
        """Raises `Unavailable` or `StorageFull` when an upload could not be stored now."""
        ...


def checked_key(key: str) -> str:
    """The key itself; raises `ValueError` unless it is plain segments joined by slashes, 200 characters at most."""
    if len(key) > MAX_KEY_CHARACTERS or not _KEY.fullmatch(key):
        message = f"not a key of an object: {key!r}"
        raise ValueError(message)
    return key
