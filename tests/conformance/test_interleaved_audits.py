"""Two processes at the runs of the audit, in every interleaving of their statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from services.operations.audits.domain import LEASE, Outcome, RunState
from services.operations.audits.handlers import AuditRuns, TakenOver
from services.operations.schema import metadata
from tests.support.audits import SOMEBODY
from tests.support.databases import ManualClock, make_server_database
from tests.support.interleaving import interleaved

pytestmark = pytest.mark.cluster

Work = Callable[[], object]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def runs(clock: ManualClock) -> Iterator[AuditRuns]:
    database = make_server_database(metadata, "operations", clock)
    yield AuditRuns(database, clock)
    database.close()


def over(runs: AuditRuns, clock: ManualClock) -> None:
    """Nothing is under way any more."""
    runs.claim()
    clock.advance(LEASE)
    runs.claim()


def test_of_two_who_press_at_once_one_begins_one(runs: AuditRuns, clock: ManualClock) -> None:
    def scene(_: int) -> tuple[Work, Work]:
        over(runs, clock)
        return lambda: runs.ask(actor=SOMEBODY), lambda: runs.ask(actor=SOMEBODY)

    for _, ends in interleaved(runs.database, scene):
        assert sorted([ends.first, ends.second]) == [False, True], ends
        assert [run.state for run in runs.newest() if run.is_open] == [RunState.ASKED]


def test_of_two_processes_one_takes_it_up(runs: AuditRuns, clock: ManualClock) -> None:
    def scene(_: int) -> tuple[Work, Work]:
        over(runs, clock)
        runs.ask(actor=SOMEBODY)
        return runs.claim, runs.claim

    for _, ends in interleaved(runs.database, scene):
        assert [ends.first, ends.second].count(None) == 1, ends
        assert [run.state for run in runs.newest() if run.is_open] == [RunState.RUNNING]


def test_who_ends_too_late_ends_nothing_that_was_asked_for_anew(runs: AuditRuns, clock: ManualClock) -> None:
    def scene(_: int) -> tuple[Work, Work]:
        over(runs, clock)
        runs.ask(actor=SOMEBODY)
        slow = runs.claim()
        assert slow is not None
        clock.advance(LEASE)
        return lambda: runs.end(slow, Outcome(state=RunState.FINISHED, facts=1)), lambda: runs.ask(actor=SOMEBODY)

    for _, ends in interleaved(runs.database, scene):
        last, before = runs.newest()[:2]
        assert (ends.second, last.state) == (True, RunState.ASKED), ends
        expected = RunState.CUT_OFF if isinstance(ends.first, TakenOver) else RunState.FINISHED
        assert before.state is expected, ends
