"""Looks after what a process stands on: that its database answers, and that the two agree about the time."""

from __future__ import annotations

import threading
import time
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
    """A loop that is never done; what it raises turns its process not ready until the next look."""

    def __init__(self, database: Database) -> None:
        self.name = f"{database.source}.database"
        self.database = database
        self._next_look = 0.0

    def step(self, _stop: threading.Event) -> bool:
        """Look, when it is time to; raises `Unavailable` and `ClockOff`."""
        if time.monotonic() >= self._next_look:
            drift = self.database.clock_drift()
            if abs(drift) > MOST_DRIFT:
                raise ClockOff(f"The clock is {drift.total_seconds():+.1f} s off that of the database.")
            self._next_look = time.monotonic() + EVERY_SECONDS
        return False
