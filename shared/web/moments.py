"""Moments as people in the United Kingdom read them."""

from __future__ import annotations

from datetime import date, datetime

from shared.clock import LONDON

_EDGES = {0: "midnight", 12: "noon"}


def describe_moment(moment: datetime) -> str:
    """A moment in UK local time, for example `Tuesday 24 November 2026, 12:00 noon (GMT)`.

    Noon and midnight are named, because 12:00 is read both ways, and only they: a cut-off is one of them, and what is
    later is late. So in the minute that begins with them the seconds are told, and in their second its parts; otherwise
    they are left out. Raises `ValueError` for a moment without a zone.
    """
    if moment.tzinfo is None:
        message = "a moment needs its time zone"
        raise ValueError(message)
    local = moment.astimezone(LONDON)
    return f"{describe_day(local)}, {_time_of_day(local)} ({local:%Z})"


def describe_day(day: date) -> str:
    """A day, for example `Tuesday 24 November 2026`."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def describe_exact_moment(moment: datetime) -> str:
    """A moment in UK local time to the second, for example `Tuesday 24 November 2026, 12:00:07 (GMT)`."""
    local = moment.astimezone(LONDON)
    return f"{describe_day(local)}, {local:%H:%M:%S} ({local:%Z})"


def _time_of_day(local: datetime) -> str:
    if local.minute or local.hour not in _EDGES:
        return f"{local:%H:%M}"
    if local.second:
        return f"{local:%H:%M:%S}"
    return f"{local:%H:%M:%S.%f}".rstrip("0") if local.microsecond else f"{local:%H:%M} {_EDGES[local.hour]}"
