"""Working days: no weekend, no bank holiday of England; days of the United Kingdom, whatever the moment's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.marking.scripts.domain import Turnaround
from shared.working_days import day_after_working_days

SATURDAY = 5
LONGEST_REST = 6
"""Days from one working day to the next at the most: over Christmas and a weekend."""

FRIDAY_NOON = datetime(2026, 12, 18, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "count", "day"),
    [
        (FRIDAY_NOON, 1, date(2026, 12, 21)),
        (datetime(2026, 12, 19, 12, tzinfo=UTC), 1, date(2026, 12, 21)),
        (FRIDAY_NOON, 5, date(2026, 12, 29)),  # Christmas on a Friday, Boxing Day kept on the Monday after
        (datetime(2026, 4, 2, 12, tzinfo=UTC), 1, date(2026, 4, 7)),  # Easter
        (datetime(2026, 6, 7, 23, 30, tzinfo=UTC), 1, date(2026, 6, 9)),  # half past midnight on Monday in summer
    ],
)
def test_it_is_the_day_that_a_calendar_says(moment: datetime, count: int, day: date) -> None:
    assert day_after_working_days(moment, count) == day


@given(days=st.integers(0, 36_500), count=st.integers(1, 30))
def test_one_day_more_is_the_next_working_day(days: int, count: int) -> None:
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days)
    last, next_one = day_after_working_days(moment, count), day_after_working_days(moment, count + 1)
    assert last < next_one
    assert last.weekday() < SATURDAY
    assert (next_one - last).days <= LONGEST_REST


def test_no_working_day_is_no_question() -> None:
    with pytest.raises(ValueError, match="at least one"):
        day_after_working_days(FRIDAY_NOON, 0)


def test_the_turnaround_counts_from_the_cut_off_or_from_a_later_arrival() -> None:
    turnaround = Turnaround(10)
    early, late = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 21, 15, tzinfo=UTC)
    assert turnaround.due_back(FRIDAY_NOON) == turnaround.due_back(FRIDAY_NOON, early) == date(2027, 1, 6)
    assert turnaround.due_back(FRIDAY_NOON, late) == date(2027, 1, 7)
