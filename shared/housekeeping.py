"""Chores that come back: what a service must clear away from time to time, in small steps beside its work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PRUNE_SECONDS = 3600.0
"""How often old rows are cleared away."""

STEP_ROWS = 1000
"""How many rows a chore deletes in one transaction at most, so that nobody waits long for the database."""


@dataclass(frozen=True, kw_only=True)
class Chore:
    """Done at the start and then `every_seconds`; `run` does one step and returns how many things it cleared away."""

    name: str
    every_seconds: float
    run: Callable[[], int]


class Housekeeping:
    """A loop over chores: a due one is repeated until it finds nothing more to do."""

    name = "housekeeping"

    def __init__(self, chores: Sequence[Chore]) -> None:
        self.chores = chores
        self._due: dict[str, float] = {}

    def step(self, stop: threading.Event) -> bool:
        """One step of each chore that is due; True when there may be more to clear away."""
        worked = False
        for chore in self.chores:
            if not stop.is_set() and self._due.get(chore.name, 0.0) <= time.monotonic():
                if chore.run():
                    worked = True
                else:
                    self._due[chore.name] = time.monotonic() + chore.every_seconds
        return worked
