"""Moments as people in the United Kingdom read them."""

from __future__ import annotations

from datetime import datetime

from shared.clock import LONDON


def describe_moment(moment: datetime) -> str:
    """A moment in UK local time, for example `Tuesday 24 November 2026, 12:00 noon (GMT)`.

    Noon and midnight are named, because 12:00 is read both ways. In the minute that begins with them the seconds are
    told, since there a second decides; otherwise they are left out. Raises `ValueError` for a moment without a zone.
    """
    if moment.tzinfo is None:
        message = "a moment needs its time zone"
        raise ValueError(message)
    local = moment.astimezone(LONDON)
    return f"{local:%A} {local.day} {local:%B %Y}, {_time_of_day(local)} ({local:%Z})"


def _time_of_day(local: datetime) -> str:
    words = {"12:00:00": "12:00 noon", "00:00:00": "00:00 midnight"}
    clock = f"{local:%H:%M:%S}"
    if clock in words:
        return words[clock]
    return clock if local.minute == 0 and local.hour in (0, 12) else f"{local:%H:%M}"
