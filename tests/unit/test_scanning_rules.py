"""What each result of a scan changes, and who is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.marking.malware.domain import (
    BeingChecked,
    Check,
    MalwareFound,
    NotCheckable,
    check_of,
    require_collectable,
    require_downloadable,
)
from services.submission.scanning.domain import LONGEST_WAIT, Scan, ScanState, Verdict, conclude, let_go, put_off
from shared.contracts import ScanOutcome
from shared.errors import Conflict

NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
EARLIER = NOW - timedelta(days=1)
SCAN = Scan(
    submission_id="submission",
    work_id="work",
    version=1,
    assignment_id="K827-26J-TMA01",
    presentation_id="K827-26J",
    person_ref="person",
    object_key="key",
    object_version="version",
    state=ScanState.SCANNING,
    state_since=EARLIER,
    signatures=None,
    finding="",
    wanted_at=EARLIER,
    failures=2,
    holder="me",
)
CLEAN, BLOCKED = Verdict(outcome=ScanOutcome.CLEAN), Verdict(outcome=ScanOutcome.BLOCKED, finding="Bad")


@pytest.mark.parametrize("outcome", [ScanOutcome.CLEAN, ScanOutcome.BLOCKED, ScanOutcome.UNSCANNABLE])
def test_the_first_result_is_said_whatever_it_is(outcome: ScanOutcome) -> None:
    scan, fact = conclude(SCAN, Verdict(outcome=outcome), "sigs", now=NOW)
    assert fact is not None
    assert (fact.outcome, fact.outcome_before, fact.signatures, fact.scanned_at) == (outcome, None, "sigs", NOW)
    assert (str(scan.state), scan.state_since, scan.wanted_at, scan.failures, scan.holder) == (
        str(outcome), NOW, None, 0, None,
    )  # fmt: skip


def test_the_same_result_again_is_not_said_and_its_signatures_are_kept() -> None:
    clean, _ = conclude(SCAN, CLEAN, "old", now=EARLIER)
    again, fact = conclude(replace(clean, holder="me", wanted_at=NOW), CLEAN, "new", now=NOW)
    assert (fact, again.signatures, again.state_since) == (None, "new", EARLIER)


def test_another_result_is_said_with_the_one_before() -> None:
    clean, _ = conclude(SCAN, CLEAN, "old", now=EARLIER)
    blocked, fact = conclude(clean, BLOCKED, "new", now=NOW)
    assert fact is not None
    assert (fact.outcome, fact.outcome_before, blocked.finding) == (ScanOutcome.BLOCKED, ScanOutcome.CLEAN, "Bad")
    _, released = conclude(blocked, CLEAN, "newer", now=NOW)
    assert released is not None
    assert released.outcome_before is ScanOutcome.BLOCKED


def test_what_failed_is_tried_again_later_and_later_without_end() -> None:
    scan, waits = replace(SCAN, failures=0), []
    for _ in range(20):
        scan = put_off(scan, now=NOW)
        assert scan.wanted_at is not None
        waits.append(scan.wanted_at - NOW)
    assert waits[:3] == [timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8)]
    assert (waits[-1], scan.failures, scan.state) == (LONGEST_WAIT, 20, ScanState.SCANNING)


def test_what_was_let_go_is_due_at_once_and_has_not_failed() -> None:
    scan = let_go(SCAN, now=NOW)
    assert (scan.wanted_at, scan.failures, scan.holder) == (NOW, SCAN.failures, None)


@pytest.mark.parametrize(
    ("outcome", "only_clean", "check"),
    [
        (None, True, Check.WAITING),
        (None, False, None),
        ("blocked", False, Check.BLOCKED),
        ("unknown", True, Check.WAITING),
        ("clean", True, Check.CLEAN),
    ],
)
def test_what_a_tutor_is_shown(outcome: str | None, only_clean: bool, check: Check | None) -> None:  # noqa: FBT001
    assert check_of(outcome, only_clean=only_clean) is check


@pytest.mark.parametrize(
    ("check", "problem"),
    [(Check.WAITING, BeingChecked), (Check.BLOCKED, MalwareFound), (Check.UNSCANNABLE, NotCheckable)],
)
def test_only_clean_work_is_collected_where_that_is_the_rule(check: Check, problem: type[Conflict]) -> None:
    with pytest.raises(problem, match="need do nothing"):
        require_collectable(check, only_clean=True)
    require_collectable(check, only_clean=False)
    require_collectable(Check.CLEAN, only_clean=True)


def test_what_was_collected_is_downloaded_again_but_for_malware() -> None:
    with pytest.raises(MalwareFound):
        require_downloadable(Check.BLOCKED, only_clean=True)
    for check in (Check.WAITING, Check.UNSCANNABLE, Check.CLEAN, None):
        require_downloadable(check, only_clean=True)
