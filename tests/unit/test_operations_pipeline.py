"""The stage of a work is the same in whatever order the two topics are read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.operations.pipeline.domain import (
    RECEIVED_SEQUENCE,
    Freshness,
    Pace,
    Stage,
    Standing,
    freshness_of,
    pace_of,
    settle,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def standing(stage: Stage, sequence: int, *, work_id: str = "w1", minute: int = 0) -> Standing:
    since = NOON + timedelta(minutes=minute)
    return Standing(work_id=work_id, assignment_id="K827-26J-TMA01", stage=stage, since=since, sequence=sequence)


def history(work_id: str) -> tuple[list[Standing], list[Standing]]:
    """One work as submission tells it, and as marking tells it."""
    submission = [
        standing(Stage.RECEIVED, RECEIVED_SEQUENCE, work_id=work_id),
        standing(Stage.RECEIVED, RECEIVED_SEQUENCE, work_id=work_id, minute=9),
    ]
    marking = [
        standing(Stage.HELD, 2, work_id=work_id, minute=2),
        standing(Stage.ALLOCATED, 3, work_id=work_id, minute=3),
        standing(Stage.COLLECTED, 5, work_id=work_id, minute=5),
    ]
    return submission, marking


def test_a_first_version_counts_one_work_as_received() -> None:
    after, changes = settle({}, [standing(Stage.RECEIVED, RECEIVED_SEQUENCE)])
    assert after["w1"].stage is Stage.RECEIVED
    assert changes == {("K827-26J-TMA01", Stage.RECEIVED): 1}


def test_a_second_version_changes_nothing() -> None:
    before = {"w1": standing(Stage.RECEIVED, RECEIVED_SEQUENCE)}
    assert settle(before, [standing(Stage.RECEIVED, RECEIVED_SEQUENCE, minute=5)]) == ({}, {})


def test_work_that_moves_leaves_the_stage_before() -> None:
    before = {"w1": standing(Stage.HELD, 1)}
    _, changes = settle(before, [standing(Stage.ALLOCATED, 2)])
    assert changes == {("K827-26J-TMA01", Stage.HELD): -1, ("K827-26J-TMA01", Stage.ALLOCATED): 1}


def test_work_that_moves_twice_in_a_run_is_counted_where_it_ends() -> None:
    after, changes = settle({}, [standing(Stage.HELD, 1), standing(Stage.ALLOCATED, 2)])
    assert after["w1"].stage is Stage.ALLOCATED
    assert changes == {("K827-26J-TMA01", Stage.ALLOCATED): 1}


def test_a_reallocation_keeps_the_count_and_moves_the_time() -> None:
    after, changes = settle({"w1": standing(Stage.ALLOCATED, 2)}, [standing(Stage.ALLOCATED, 3, minute=7)])
    assert after["w1"].since == NOON + timedelta(minutes=7)
    assert changes == {}


@given(data=st.data())
def test_every_interleaving_of_the_topics_ends_in_the_same_state(data: st.DataObject) -> None:
    streams = [list(topic) for work_id in ("w1", "w2") for topic in history(work_id)]
    order = data.draw(st.permutations([place for place, topic in enumerate(streams) for _ in topic]))
    news = [streams[place].pop(0) for place in order]
    sizes = data.draw(st.lists(st.integers(1, len(news)), max_size=6))
    state: dict[str, Standing] = {}
    counted: Counter[tuple[str, Stage]] = Counter()
    while news:
        size = sizes.pop() if sizes else len(news)
        run, news = news[:size], news[size:]
        after, changes = settle(state, run)
        state |= after
        counted.update(dict(changes))
    assert {work_id: (end.stage, end.since) for work_id, end in state.items()} == {
        work_id: (Stage.COLLECTED, NOON + timedelta(minutes=5)) for work_id in ("w1", "w2")
    }
    assert +counted == {("K827-26J-TMA01", Stage.COLLECTED): 2}


@pytest.mark.parametrize(
    ("stage", "minutes", "pace"),
    [
        (Stage.RECEIVED, 10, Pace.MOVES),
        (Stage.RECEIVED, 11, Pace.SLOW),
        (Stage.HELD, 24 * 60, Pace.MOVES),
        (Stage.HELD, 24 * 60 + 1, Pace.SLOW),
        (Stage.COLLECTED, 14 * 24 * 60 + 1, Pace.SLOW),
        (Stage.REFUSED, 10**6, Pace.MOVES),
        (Stage.RECEIVED, None, Pace.EMPTY),
    ],
)
def test_a_stage_is_slow_when_its_oldest_is_there_longer_than_usual(
    stage: Stage, minutes: int | None, pace: Pace
) -> None:
    oldest = None if minutes is None else NOON - timedelta(minutes=minutes)
    assert pace_of(stage, oldest, now=NOON) is pace


@pytest.mark.parametrize(
    ("minutes", "unread", "freshness"),
    [
        (None, 0, Freshness.EMPTY),
        (None, 3, Freshness.BEHIND),
        (1, 3, Freshness.CURRENT),
        (2, 3, Freshness.BEHIND),
        (60, 0, Freshness.CURRENT),
        (61, 0, Freshness.QUIET),
        (61, None, Freshness.UNKNOWN),
        (1, None, Freshness.CURRENT),
    ],
)
def test_figures_are_old_when_something_is_not_counted_yet(
    minutes: int | None, unread: int | None, freshness: Freshness
) -> None:
    newest = None if minutes is None else NOON - timedelta(minutes=minutes)
    assert freshness_of(newest, unread, now=NOON) is freshness
