"""Objects as files: `<root>/data/<two digits>/<key>@<version>`, the key's slashes written as `+`.

The two digits are of the key's hash; all folders are made when the store is opened, so that an upload makes none: it
costs one sync of the file and one of its folder. Neither `+` nor `@` can be in a key, so no key hides another.
A file is written to `<root>/partial` first and renamed when its bytes are synced. It does not encrypt, compress or
replicate, and whoever may write there may delete: it has no retention.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shared.disk import make_folder_durably, os_errors, sync_file, sync_folder
from shared.killpoints import kill_point
from shared.settings import path_in
from shared.storage.port import ObjectMissing, ObjectWriter, Retention, StoredEntry, StoredObject, checked_key

CHUNK_BYTES = 256 * 1024
_FOLDERS = [f"{number:02x}" for number in range(256)]


class FileStore:
    """See the module."""

    retention: Retention | None = None

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.partial = root / "partial"
        with os_errors():
            for folder in (self.data, self.partial):
                make_folder_durably(folder)
            for name in _FOLDERS:
                (self.data / name).mkdir(exist_ok=True)
            sync_folder(self.data)

    @classmethod
    def from_url(cls, url: str) -> FileStore:
        """The store of `file:///PATH`."""
        return cls(path_in(url))

    @contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        final = self._path(key, secrets.token_hex(8))
        partial = self.partial / secrets.token_hex(16)
        with os_errors():
            file = partial.open("xb", buffering=0)
        try:
            yield _FileWriter(file, partial=partial, final=final, key=key)
        finally:
            file.close()
            with os_errors():
                partial.unlink(missing_ok=True)

    def read(self, key: str, version: str) -> Iterator[bytes]:
        with os_errors():
            try:
                file = self._path(key, version).open("rb", buffering=0)
            except FileNotFoundError as error:
                detail = f"There is no object {key}, version {version}."
                raise ObjectMissing(detail) from error
        return _chunks(file)

    def stat(self, key: str, version: str) -> StoredEntry | None:
        with os_errors():
            try:
                found = self._path(key, version).stat()
            except FileNotFoundError:
                return None
        return _entry(key, version, found)

    def walk(self, prefix: str = "") -> Iterator[StoredEntry]:
        for folder in _FOLDERS:
            with os_errors(), os.scandir(self.data / folder) as entries:
                files = sorted(entries, key=lambda entry: entry.name)
            for file in files:
                key, _, version = file.name.replace("+", "/").rpartition("@")
                if key.startswith(prefix) and (found := _stat_or_gone(file)) is not None:
                    yield _entry(key, version, found)

    def delete(self, key: str, version: str) -> None:
        path = self._path(key, version)
        with os_errors():
            path.unlink(missing_ok=True)
            sync_folder(path.parent)

    def sweep(self, *, older_than_seconds: float) -> int:
        limit = time.time() - older_than_seconds
        with os_errors(), os.scandir(self.partial) as entries:
            files = [(file, _stat_or_gone(file)) for file in entries]
        old = [Path(file.path) for file, found in files if found is not None and found.st_mtime < limit]
        with os_errors():
            for path in old:
                path.unlink(missing_ok=True)
        return len(old)

    def ready(self) -> None:
        probe = self.partial / secrets.token_hex(16)
        with os_errors():
            try:
                probe.write_bytes(b"ready?")
            finally:
                probe.unlink(missing_ok=True)

    def _path(self, key: str, version: str) -> Path:
        folder = hashlib.sha256(checked_key(key).encode("ascii")).hexdigest()[:2]
        name = key.replace("/", "+")
        return self.data / folder / f"{name}@{checked_key(version)}"


class _FileWriter:
    def __init__(self, file: BinaryIO, *, partial: Path, final: Path, key: str) -> None:
        self._file = file
        self._partial = partial
        self._final = final
        self._key = key
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def write(self, chunk: bytes) -> None:
        with os_errors():
            _write_all(self._file, chunk)
        self._hash.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self) -> StoredObject:
        with os_errors():
            kill_point("objects.written")
            sync_file(self._file)
            kill_point("objects.synced")
            self._partial.rename(self._final)
            kill_point("objects.renamed")
            sync_folder(self._final.parent)
        kill_point("objects.durable")
        version = self._final.name.rpartition("@")[-1]
        return StoredObject(key=self._key, version=version, size_bytes=self._size_bytes, sha256=self._hash.hexdigest())


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file, os_errors():
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _stat_or_gone(file: os.DirEntry[str]) -> os.stat_result | None:
    with os_errors():
        try:
            return file.stat()
        except FileNotFoundError:
            return None


def _entry(key: str, version: str, found: os.stat_result) -> StoredEntry:
    modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
    return StoredEntry(key=key, version=version, size_bytes=found.st_size, modified_at=modified_at)
