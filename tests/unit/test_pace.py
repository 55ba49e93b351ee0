"""Rests: at once after idleness, longer when the work takes longer, never for long."""

from __future__ import annotations

import pytest

from shared.pace import CREDIT_SECONDS, LONGEST_SECONDS, RESTS, SHORTEST_SECONDS, Pace

LONG_AGO = 1000.0


def test_who_was_idle_works_at_once_a_few_times() -> None:
    pace, now = Pace(), LONG_AGO
    for _ in range(round(CREDIT_SECONDS / SHORTEST_SECONDS)):
        assert pace.rest(now) == 0
        pace.worked(now, now + 0.001)
        now += 0.001
    pace.worked(now, now + 0.001)
    assert pace.rest(now) > 0


@pytest.mark.parametrize(
    ("took", "rest"), [(0.001, SHORTEST_SECONDS), (0.05, RESTS * 0.05), (60.0, LONGEST_SECONDS)], ids=str
)
def test_under_load_the_rest_is_several_times_the_work(took: float, rest: float) -> None:
    pace, now = Pace(), LONG_AGO
    for _ in range(100):
        began = now + pace.rest(now)
        now = began + took
        pace.worked(began, now)
    begun_again = now + pace.rest(now)
    assert begun_again - began == pytest.approx(max(rest, took))
