"""Who scans what, and when: leases that end, what comes first, and what is done again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.submission.scanning.domain import LEASE, Verdict
from services.submission.scanning.port import ScanFailed, ScannerAway
from services.submission.tables import metadata
from shared.contracts import ScanOutcome
from tests.support.databases import ManualClock, close_all, make_database
from tests.support.scanning import Queue

RUNS = threading.Event()
"""Nobody asks the process to stop."""


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    clock = ManualClock()
    yield Queue(make_database(metadata, tmp_path, "submission", clock), clock, tmp_path / "objects")
    close_all()


def test_what_one_has_in_hand_another_gets_when_the_lease_is_over_and_its_result_alone_counts(queue: Queue) -> None:
    queue.expect(1)
    slow = queue.claim()
    assert queue.scanning.claim() is None
    queue.clock.advance(LEASE)
    quick = queue.claim()
    queue.scanning.scan(slow, "old", RUNS)
    assert (queue.states(), queue.said()) == ({"s1": ("scanning", True)}, 0)
    queue.scanner.verdict = Verdict(outcome=ScanOutcome.BLOCKED)
    queue.scanning.scan(quick, "new", RUNS)
    queue.scanning.scan(slow, "old", RUNS)
    assert (queue.states(), queue.said()) == ({"s1": ("blocked", False)}, 1)


def test_after_a_start_at_which_nobody_is_there_no_lease_is_waited_for(queue: Queue) -> None:
    queue.expect(1)
    queue.claim()
    queue.scanning.free_all()
    assert queue.claim().submission_id == "s1"


def test_an_outage_lets_go_at_once_and_a_failure_later(queue: Queue) -> None:
    queue.expect(1)
    queue.scanner.error = ScannerAway()
    with pytest.raises(ScannerAway):
        queue.scanning.scan(queue.claim(), "signatures", RUNS)
    queue.scanner.error = ScanFailed("no")
    queue.scanning.scan(queue.claim(), "signatures", RUNS)
    assert queue.scanning.claim() is None
    queue.clock.advance(timedelta(seconds=2))
    assert queue.claim().failures == 1


def test_a_process_that_is_to_end_lets_go(queue: Queue) -> None:
    queue.expect(1)
    stop = threading.Event()
    stop.set()
    queue.scanning.scan(queue.claim(), "signatures", stop)
    assert (queue.states(), queue.said()) == ({"s1": ("scanning", False)}, 0)
    assert queue.claim().failures == 0


def test_a_file_that_is_not_there_holds_up_no_other(queue: Queue) -> None:
    queue.expect(1)
    claimed = queue.claim()
    queue.objects.delete(claimed.object_key, claimed.object_version)
    queue.scanning.scan(claimed, "signatures", RUNS)
    queue.expect(2)
    assert queue.claim().submission_id == "s2"


def test_signatures_that_changed_want_what_came_within_the_days_after_what_is_new(queue: Queue) -> None:
    for number in (1, 2):
        queue.expect(number)
        queue.scanning.scan(queue.claim(), "old", RUNS)
        queue.clock.advance(timedelta(days=10))
    assert queue.scanning.want_stale("old", timedelta(days=90)) == 0
    assert queue.scanning.want_stale("new", timedelta(days=15)) == 1
    assert queue.scanning.want_stale("new", timedelta(days=15)) == 0
    queue.expect(3)
    assert [queue.claim().submission_id, queue.claim().submission_id] == ["s3", "s2"]
    assert queue.scanning.claim() is None
    assert queue.states() == {"s1": ("clean", False), "s2": ("clean", True), "s3": ("scanning", True)}


def test_what_came_unnoticed_is_found_by_one_walk_and_expected_once(queue: Queue) -> None:
    for number in range(3):
        queue.arrive(number)
    for _ in range(2):
        while queue.scanning.adopt():
            """Page by page."""
    assert queue.states() == dict.fromkeys(("s0", "s1", "s2"), ("scanning", False))
