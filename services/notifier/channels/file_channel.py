"""Mails as `.eml` files, for a house without a mail server.

Keeps `<root>/<first two characters of the delivery id>/<delivery id>.eml`. Does not deliver to anybody's mailbox.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.notifier.channels.letter import BadAddress, as_message
from services.notifier.channels.port import Fate, Mail, Outcome
from shared.disk import make_folder_durably, os_errors, sync_file, sync_folder
from shared.errors import Rejected
from shared.killpoints import kill_point
from shared.settings import path_in

_SAFE_ID = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z-]{2,63}")
_WRITERS = 8
"""Files that are flushed at the same time: a disk joins flushes that wait together."""


class FileChannel:
    """A folder of mails; one file a delivery, durable when accepted, and the same file when sent again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: set[Path] = set()
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="mail")

    @classmethod
    def from_url(cls, url: str) -> FileChannel:
        """The channel of `file:///PATH`."""
        return cls(path_in(url))

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

    def forget(self, delivery_ids: Collection[str]) -> None:
        paths = [self.path_of(delivery_id) for delivery_id in delivery_ids]
        with os_errors():
            for path in paths:
                path.unlink(missing_ok=True)
                _draft_of(path).unlink(missing_ok=True)
            for folder in sorted({path.parent for path in paths if path.parent.exists()}):
                sync_folder(folder)

    def message_ids(self) -> Iterator[str]:
        """Return the Message-ID of every mail that lies in the folder, however it got there."""
        for path in self.root.glob("*/*.eml"):
            with path.open("rb") as lines:
                for line in lines:
                    name, _, value = line.partition(b":")
                    if name.lower() == b"message-id":
                        yield value.strip().decode("ascii", "replace")
                        break

    def _keep_all(self, letters: Sequence[tuple[Path, bytes]]) -> None:
        folders = sorted({path.parent for path, _ in letters})
        with os_errors():
            for folder in folders:
                if folder not in self._made:
                    make_folder_durably(folder)
                    self._made.add(folder)
            list(self._writers.map(_write, letters))
            kill_point("mail.written")
            for path, _ in letters:
                _draft_of(path).replace(path)
            kill_point("mail.renamed")
            list(self._writers.map(sync_folder, folders))


def _write(letter: tuple[Path, bytes]) -> None:
    path, content = letter
    with _draft_of(path).open("wb") as draft:
        draft.write(content)
        sync_file(draft)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
