"""Lets one transaction stop before each of its statements in turn, while another runs as far as it can."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from shared.database import Database

SECONDS = 30
LOOK_SECONDS = 0.002
MOST_STATEMENTS = 100

Work = Callable[[], Any]


@dataclass(frozen=True)
class Ends:
    """What became of both: what each returned, or the exception that it ended with."""

    first: Any
    second: Any


def interleaved(database: Database, scene: Callable[[int], tuple[Work, Work]]) -> Iterator[tuple[int, Ends]]:
    """Play a scene again and again; in the n-th the first work stops before its n-th statement or commit.

    `scene` gets the number, so that each play is about other things, and returns both works. The second one runs
    until it ends or waits for a lock of the first, which then goes on. The last play is the first one in which
    nothing was left to stop before.
    """
    for number in range(1, MOST_STATEMENTS):
        first, second = scene(number)
        stop = _Stop(number)
        with _stopping(database.engine, stop), ThreadPoolExecutor(2) as pool:
            one = pool.submit(stop.run, first)
            stop.reached.wait(SECONDS)
            other = pool.submit(second)
            _wait_for_end_or_lock(database, other)
            stop.passed.set()
            wait((one, other), timeout=SECONDS)
        yield number, Ends(_end_of(one), _end_of(other))
        if not stop.was_needed:
            return
    raise AssertionError("the work has no end")


class _Stop:
    def __init__(self, before: int) -> None:
        self.reached, self.passed = threading.Event(), threading.Event()
        self.was_needed = False
        self._left = before
        self._thread: int | None = None

    def run(self, work: Work) -> Any:
        self._thread = threading.get_ident()
        try:
            return work()
        finally:
            self._thread = None
            self.reached.set()

    def pass_by(self, *_event: object) -> None:
        if threading.get_ident() != self._thread:
            return
        self._left -= 1
        if self._left == 0:
            self.was_needed = True
            self.reached.set()
            assert self.passed.wait(SECONDS)


@contextmanager
def _stopping(engine: sa.Engine, stop: _Stop) -> Iterator[None]:
    events = ("before_cursor_execute", "commit")
    for event in events:
        sa.event.listen(engine, event, stop.pass_by)
    try:
        yield
    finally:
        for event in events:
            sa.event.remove(engine, event, stop.pass_by)


def _wait_for_end_or_lock(database: Database, work: Future[Any]) -> None:
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + SECONDS
    while not work.done() and time.monotonic() < deadline:
        with database.engine.connect() as connection:
            if connection.scalar(waiting):
                return
        time.sleep(LOOK_SECONDS)


def _end_of(work: Future[Any]) -> Any:
    return work.exception(0) or work.result(0)
