"""Mails as `.eml` files, for a house without a mail server.

Keeps `<root>/<first two characters of the delivery id>/<delivery id>.eml`. Does not deliver to anybody's mailbox.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.notifier.channels.letter import BadAddress, as_message
from services.notifier.channels.port import Fate, Mail, Outcome
from shared.errors import Rejected, StorageFull, Unavailable

_SAFE_ID = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z-]{2,63}")
_WRITERS = 8
"""Files that are flushed at the same time: a disk joins flushes that wait together."""


class FileChannel:
    """A folder of mails; one file a delivery, durable when accepted, and the same file when sent again."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def send_all(self, mails: Sequence[Mail]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        letters: list[tuple[Path, bytes]] = []
        for place, mail in enumerate(mails):
            try:
                letters.append((self.path_of(mail.delivery_id), as_message(mail).as_bytes()))
            except BadAddress as failure:
                outcomes[place] = Outcome(Fate.REJECTED, failure.code)
        self._keep_all(letters)
        return [outcomes.get(place, Outcome.accepted()) for place in range(len(mails))]

    def path_of(self, delivery_id: str) -> Path:
        """Return where the mail of this delivery lies; raises `Rejected` for an id that is no safe file name."""
        if not _SAFE_ID.fullmatch(delivery_id):
            message = "the delivery id is not safe as a file name"
            raise Rejected(message)
        return self.root / delivery_id[:2] / f"{delivery_id}.eml"

    def _keep_all(self, letters: Sequence[tuple[Path, bytes]]) -> None:
        try:
            for folder in sorted({path.parent for path, _ in letters}):
                _make_folder(folder)
            with ThreadPoolExecutor(_WRITERS) as writers:
                list(writers.map(_write, letters))
                for path, _ in letters:
                    _draft_of(path).replace(path)
                list(writers.map(_flush_folder, sorted({path.parent for path, _ in letters})))
        except OSError as failure:
            raise _unavailable(failure) from failure


def _write(letter: tuple[Path, bytes]) -> None:
    path, content = letter
    with _draft_of(path).open("wb") as draft:
        draft.write(content)
        draft.flush()
        os.fsync(draft.fileno())


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _make_folder(folder: Path) -> None:
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        _flush_folder(place.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unavailable(failure: OSError) -> Unavailable:
    words = "the folder of mails cannot be written"
    return StorageFull(words) if failure.errno in {errno.ENOSPC, errno.EDQUOT} else Unavailable(words)
