"""Two processes at one queue of scans, in every interleaving of their statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.submission.scanning.domain import LEASE, Scan
from services.submission.tables import metadata
from tests.integration.test_scanning_queue import RUNS
from tests.support.databases import ManualClock, make_server_database
from tests.support.interleaving import interleaved
from tests.support.scanning import Queue

pytestmark = pytest.mark.cluster

Work = Callable[[], object]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    clock = ManualClock()
    database = make_server_database(metadata, "submission", clock)
    yield Queue(database, clock, tmp_path)
    database.close()


def test_nobody_gets_what_another_has(queue: Queue) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        for each in (2 * number, 2 * number + 1):
            queue.expect(each)
        return queue.scanning.claim, queue.scanning.claim

    for number, ends in interleaved(queue.database, scene):
        assert {ends.first.submission_id, ends.second.submission_id} == {f"s{2 * number}", f"s{2 * number + 1}"}, ends


def test_two_results_of_one_version_are_said_once(queue: Queue) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        queue.expect(number)
        slow = queue.claim()
        queue.clock.advance(LEASE)
        quick = queue.claim()
        return scanning(slow), scanning(quick)

    def scanning(scan: Scan) -> Work:
        return lambda: queue.scanning.scan(scan, "signatures", RUNS)

    for number, _ in interleaved(queue.database, scene):
        assert (queue.states()[f"s{number}"], queue.said()) == (("clean", False), number)
