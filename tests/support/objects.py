"""A real object store with a short way to put something in, and to get at its file."""

from __future__ import annotations

from pathlib import Path

from shared.storage.file_store import FileStore
from shared.storage.port import StoredObject

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
