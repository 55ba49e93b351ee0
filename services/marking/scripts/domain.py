"""By when a tutor gives a marked script back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from shared.working_days import day_after_working_days


@dataclass(frozen=True)
class Turnaround:
    """How many working days a tutor has (domain.md §2: ten; a setting, because it has been fifteen)."""

    working_days: int

    def due_back(self, cut_off_at: datetime, arrived_at: datetime | None = None) -> date:
        """The last day: counted from the cut-off, or from the arrival of work that came after it."""
        return day_after_working_days(max(cut_off_at, arrived_at or cut_off_at), self.working_days)
