"""Moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.clock import LONDON
from shared.web.moments import describe_moment


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 11, 24, 12, 0, tzinfo=UTC), "Tuesday 24 November 2026, 12:00 noon (GMT)"),
        (datetime(2026, 7, 1, 11, 0, tzinfo=UTC), "Wednesday 1 July 2026, 12:00 noon (BST)"),
        (datetime(2026, 7, 1, 23, 0, tzinfo=UTC), "Thursday 2 July 2026, 00:00 midnight (BST)"),
        (datetime(2026, 11, 25, 0, 0, tzinfo=UTC), "Wednesday 25 November 2026, 00:00 midnight (GMT)"),
        (datetime(2026, 11, 24, 12, 1, tzinfo=UTC), "Tuesday 24 November 2026, 12:01 (GMT)"),
        (datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC), "Tuesday 24 November 2026, 23:59 (GMT)"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Sunday 25 October 2026, 01:30 (BST)"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Sunday 25 October 2026, 01:30 (GMT)"),
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "Sunday 29 March 2026, 00:59 (GMT)"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Sunday 29 March 2026, 02:00 (BST)"),
        (datetime(2026, 3, 29, 12, 0, tzinfo=LONDON), "Sunday 29 March 2026, 12:00 noon (BST)"),
    ],
)
def test_a_moment_is_told_in_uk_time_with_its_zone(moment: datetime, words: str) -> None:
    assert describe_moment(moment) == words


def test_a_moment_without_a_zone_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="time zone"):
        describe_moment(datetime(2026, 11, 24, 12, 0))  # noqa: DTZ001 - that is the case


@pytest.mark.parametrize(
    ("hour", "second", "microsecond", "words"),
    [
        (12, 1, 0, "12:00:01 (GMT)"),
        (12, 0, 500_000, "12:00:00.5 (GMT)"),
        (12, 0, 1, "12:00:00.000001 (GMT)"),
        (0, 0, 40_000, "00:00:00.04 (GMT)"),
        (12, 1, 900_000, "12:00:01 (GMT)"),
    ],
)
def test_what_is_after_noon_or_midnight_is_not_called_so(hour: int, second: int, microsecond: int, words: str) -> None:
    assert describe_moment(datetime(2026, 11, 24, hour, 0, second, microsecond, tzinfo=UTC)).endswith(words)
