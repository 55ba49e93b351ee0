"""A real object store with a short way to put something in, and to get at its file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from shared.clock import Clock
from shared.storage.file_store import FileStore
from shared.storage.port import ObjectMissing, ObjectRetained, StoredObject

VERSION = "1"


class FilledStore(FileStore):
    """The embedded object store; what is put in has the version `1`."""

    def put(self, key: str, content: bytes) -> StoredObject:
        with self.writer(key) as writer:
            writer.write(content)
            stored = writer.finish()
        self._path(key, stored.version).rename(self.path_of(key))
        return stored

    def path_of(self, key: str) -> Path:
        return self._path(key, VERSION)


class LockingStore(FilledStore):
    """Keeps locks, by a clock that a test moves, as long as the store is open; it is its own `Retention`."""

    period = timedelta(days=365)

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root)
        self.clock = clock
        self.locks: dict[tuple[str, str], datetime] = {}

    def retain(self, key: str, version: str, until: datetime) -> None:
        if self.stat(key, version) is None:
            raise ObjectMissing
        self.locks[key, version] = until

    def delete(self, key: str, version: str) -> None:
        if (key, version) in self.locks and self.locks[key, version] > self.clock.now():
            raise ObjectRetained
        super().delete(key, version)
