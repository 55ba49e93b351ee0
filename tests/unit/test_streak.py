"""Failures in a row."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from shared.messaging.streak import Streak

THREADS = 4


class _SlowlyRead(int):
    """A number that lets other threads go first when it is compared."""

    def __le__(self, other: int) -> bool:
        time.sleep(0.05)
        return super().__le__(other)


def test_a_success_begins_it_anew() -> None:
    streak = Streak(2)
    assert [streak.grow(), streak.grow(), streak.grow()] == [True, True, False]
    streak.end()
    assert streak.grow()


def test_threads_that_fail_at_once_are_each_counted() -> None:
    streak = Streak(_SlowlyRead(THREADS - 1))
    with ThreadPoolExecutor(THREADS) as threads:
        grown = list(threads.map(lambda _: streak.grow(), range(THREADS)))
    assert sorted(grown) == [False, True, True, True]
