"""The bytes of a piece until it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

from shared.disk import os_errors

SLICE_BYTES = 256 * 1024
IN_MEMORY_BYTES = SLICE_BYTES


class PieceBuffer:
    """A little in memory, more in a file without a name: a slow upload holds its piece for minutes, and there are many.

    Its length is that of what was added. Raises `StorageFull` and `Unavailable`, of the folder of temporary files.
    """

    def __init__(self) -> None:
        self._file: SpooledTemporaryFile[bytes] | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, chunk: memoryview) -> None:
        self._file = self._file or SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - `clear` ends it
        with os_errors():
            self._file.write(chunk)
        self._length += len(chunk)

    def slices(self) -> Iterator[bytes]:
        """All of it, from the beginning, a slice at a time."""
        if self._file:
            with os_errors():
                self._file.seek(0)
            while chunk := _read(self._file):
                yield chunk

    def clear(self) -> None:
        if self._file:
            self._file.close()
        self._file, self._length = None, 0


def _read(file: SpooledTemporaryFile[bytes]) -> bytes:
    with os_errors():
        return file.read(SLICE_BYTES)
