"""What is kept of an audit's report, and when a run counts as cut off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.operations.audits.domain import (
    LEASE,
    LONGEST_WORDS,
    MOST_FINDINGS,
    Finding,
    Outcome,
    Part,
    Run,
    RunState,
    as_it_is,
    by_kind,
    concluded,
    failed,
    kept_of,
    reference_of,
    waits_long,
    words_for,
)
from services.operations.audits.words import KINDS, kind_of
from services.operations.reconciliation.domain.model import Code, Report, Violation

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def violation(code: Code, number: int = 0, detail: str = "wrong") -> Violation:
    return Violation(code=code, ids={"work_id": f"w{number}"}, detail=detail)


def run_in(state: RunState, *, lease_until: datetime | None = None) -> Run:
    return Run(number=1, asked_at=NOON, asked_by="operations:x", outcome=Outcome(state=state), lease_until=lease_until)


def test_a_report_is_counted_whole_and_kept_up_to_a_number_with_each_kind_in_it() -> None:
    many = [violation(Code.STATE_DIFFERS, number) for number in range(MOST_FINDINGS + 100)]
    report = Report(violations=[*many, violation(Code.OBJECT_MISSING)])
    report.counts["facts"] = 7
    outcome = concluded(report, [Part.MAIL])
    assert (outcome.state, outcome.facts, outcome.left_out) == (RunState.FINISHED, 7, [Part.MAIL])
    assert outcome.kinds == {"object_missing": 1, "state_differs": MOST_FINDINGS + 100}
    assert len(outcome.findings) == MOST_FINDINGS
    assert {name: len(found) for name, found in by_kind(outcome.findings).items()} == {
        "object_missing": 1,
        "state_differs": MOST_FINDINGS - 1,
    }


def test_words_are_kept_up_to_a_length() -> None:
    (kept,) = kept_of([violation(Code.DEAD_LETTER, detail="x" * 9999)])
    assert len(kept.detail) == len(failed("y" * 9999).problem) == LONGEST_WORDS


def test_a_run_is_cut_off_when_its_lease_is_over_and_not_before() -> None:
    running = run_in(RunState.RUNNING, lease_until=NOON + LEASE)
    assert as_it_is(running, now=NOON + LEASE - timedelta(microseconds=1)) == running
    assert as_it_is(running, now=NOON + LEASE).state is RunState.CUT_OFF
    assert as_it_is(run_in(RunState.ASKED), now=NOON + timedelta(days=1)).state is RunState.ASKED


def test_who_asked_is_told_after_a_minute_that_nobody_may_be_there() -> None:
    asked = run_in(RunState.ASKED)
    assert [waits_long(asked, now=NOON + timedelta(seconds=seconds)) for seconds in (59, 60)] == [False, True]
    assert not waits_long(run_in(RunState.RUNNING), now=NOON + timedelta(hours=1))


def test_the_trail_is_asked_for_the_version_before_the_work() -> None:
    ids = {"work_id": "w", "submission_id": "s"}
    assert reference_of(Finding(code="x", ids=ids, detail="")) == "s"
    assert reference_of(Finding(code="x", ids={"service": "marking"}, detail="")) == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "less than a second"), (0.4, "less than a second"), (59, "59 s"), (125, "2 min 5 s")]
)
def test_how_long_it_took_is_told_in_words(seconds: float, words: str) -> None:
    assert words_for(timedelta(seconds=seconds)) == words


def test_each_kind_of_finding_is_explained_and_an_unknown_one_by_its_code() -> None:
    assert set(KINDS) == set(Code)
    assert all(kind.title and kind.means and kind.do for kind in KINDS.values())
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)
    assert kind_of("new_finding").title == "New finding"
