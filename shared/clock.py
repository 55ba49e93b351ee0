"""Where time comes from, and the one local time zone of the university.

Every moment inside the system is an aware datetime in UTC; `LONDON` is used for rules that speak of local days.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


class Clock(Protocol):
    """The present moment, aware, in UTC. Asked at the edges only; rules get the moment as a value."""

    simulated: bool

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    simulated = False

    def now(self) -> datetime:
        return datetime.now(UTC)
