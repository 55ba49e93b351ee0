"""The stage of a work is the same in whatever order the two topics are read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.operations.pipeline.domain import RECEIVED_SEQUENCE, Stage, Standing, settle

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
