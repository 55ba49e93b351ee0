"""Rests between pieces of work, so that what comes meanwhile is done together: one of many is cheaper than many of one.

Who was idle works at once, a few times. The rest is as long as the work makes it: on a machine that is busy everything
takes longer, more gathers, and each piece of it costs less.
"""

from __future__ import annotations

SHORTEST_SECONDS = 0.05
LONGEST_SECONDS = 0.5
RESTS = 5.0
"""How many times as long as it worked one may take until the next beginning."""
CREDIT_SECONDS = 0.3
"""So much rest that was not needed can be done without later: a few pieces in a row do not wait for each other."""


class Pace:
    """Of one thread or task; the moments are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def rest(self, now: float) -> float:
        """How long to wait before the next piece."""
        return max(0.0, self._next_at - now)

    def worked(self, began: float, now: float) -> None:
        """A piece is done, and nothing was left for the next."""
        from_when = max(self._next_at, began - CREDIT_SECONDS)
        self._next_at = from_when + min(LONGEST_SECONDS, max(SHORTEST_SECONDS, RESTS * (now - began)))
