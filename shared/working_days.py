"""Working days of the university: not Saturdays, Sundays and the bank holidays of England, where it is."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache, lru_cache

from holidays import HolidayBase, country_holidays

from shared.clock import LONDON


def day_after_working_days(moment: datetime, count: int) -> date:
    """The last of `count` working days that follow the UK day of this moment; raises `ValueError` for less than one."""
    if count < 1:
        message = "at least one working day has to follow"
        raise ValueError(message)
    return _day_after(moment.astimezone(LONDON).date(), count)


@lru_cache(maxsize=1024)
def _day_after(day: date, count: int) -> date:
    """Kept, because a list of scripts asks for the same few days again and again."""
    return _holidays().get_nth_working_day(day, count)


@cache
def _holidays() -> HolidayBase:
    """Those of any year; what the library has not, as a holiday that was named only once, is a working day."""
    return country_holidays("GB", subdiv="ENG")
