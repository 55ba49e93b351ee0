"""Looks after what a process stands on: that its database and its bus answer, and that all agree about the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from shared.database import Database
from shared.errors import Unavailable

EVERY_SECONDS = 2.0
MOST_DRIFT = timedelta(seconds=1)


class ClockOff(Unavailable):
    """The machine's clock is more than a second off its database's: arrivals would be dated wrongly."""

    code = "clock_off"
    title = "The clock of this machine is not right"


class Watch:
    """A loop that is never done; the `Unavailable` that `look` raises turns its process not ready until the next look.

    It sees an outage also while there is no work, and while work waits for an answer that will not come.
    """

    def __init__(self, name: str, look: Callable[[], object]) -> None:
        self.name = name
        self.look = look
        self._next_look = 0.0

    def step(self, _stop: threading.Event) -> bool:
        """Look, when it is time to."""
        if time.monotonic() >= self._next_look:
            self.look()
            self._next_look = time.monotonic() + EVERY_SECONDS
        return False


def watch_of_database(database: Database) -> Watch:
    """A watch that is not content with a clock that differs."""

    def look() -> None:
        drift = database.clock_drift()
        if abs(drift) > MOST_DRIFT:
            raise ClockOff(f"The clock is {drift.total_seconds():+.1f} s off that of the database.")

    return Watch(f"{database.source}.database", look)
