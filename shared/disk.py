"""What it takes to put files on a disk so that a power cut takes nothing back."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from shared.errors import StorageFull, Unavailable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sync_file(file: IO[bytes] | IO[str]) -> None:
    """Bring the file's bytes to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the folder's list of names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder_durably(folder: Path) -> None:
    """Make a folder with its parents, so that a power cut takes none of their names back.

    The name of the folder itself is synced even if it is there already: its maker may have died before doing so.
    """
    missing = [path for path in (folder, *folder.parents) if path == folder or not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def put_durably(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Put a file in its place, durably: whatever happens, there is the one from before or this one, and it is whole.

    Its folder must be there, durably. `mode` is what it may be used for, less the umask.
    """
    _draft(path, content, mode).replace(path)
    sync_folder(path.parent)


def put_first_durably(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Like `put_durably`, but a file that is there stays: of several processes that put one, the first has its way."""
    draft = _draft(path, content, mode)
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
    sync_folder(path.parent)


def _draft(path: Path, content: bytes, mode: int) -> Path:
    """The content under another name in the same folder, on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        sync_file(file)
    return draft


@contextmanager
def os_errors() -> Iterator[None]:
    """Turn the operating system's words into ours: no room is `StorageFull`, anything else `Unavailable`."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull from error
        detail = f"The file system answered: {error.strerror}"
        raise Unavailable(detail) from error
