"""The clock of a replay: it stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from shared.disk import make_folder_durably, put_durably
from shared.errors import Unavailable


class NoTimeYet(Unavailable):
    """The replay has not said yet what time it is."""

    code = "no_time_yet"
    title = "The replay has not begun"


class SteppedClock:
    """A clock that stands still until a replay moves it, shared between processes by a small file.

    The file holds one ISO 8601 moment. `simulated` is true, so that receipts can say so.
    """

    simulated = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, int], datetime] | None = None

    def now(self) -> datetime:
        """Read the file again when it is another one than before: every move puts a new file in its place.

        Raises `NoTimeYet` before the first move.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError as error:
            raise NoTimeYet(f"{self.path} does not hold a moment yet; the replay writes it.") from error
        which = (found.st_ino, found.st_mtime_ns)
        if self._read is None or self._read[0] != which:
            self._read = which, datetime.fromisoformat(self.path.read_text(encoding="ascii"))
        return self._read[1]

    def move_to(self, moment: datetime) -> None:
        """Move forward to `moment`, durably; raises `ValueError` when it lies in the clock's past."""
        if not self.path.exists():
            make_folder_durably(self.path.parent)
        elif moment < self.now():
            message = f"the clock only moves forward: {moment.isoformat()} is before {self.now().isoformat()}"
            raise ValueError(message)
        put_durably(self.path, moment.astimezone(UTC).isoformat().encode("ascii"))
