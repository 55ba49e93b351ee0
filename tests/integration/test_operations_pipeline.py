"""The counters say where work is, whatever order the topics come in."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from threading import Barrier

import pytest

from shared.errors import Unavailable
from tests.integration.operations_house import TMA01, House, allocated, at, collected, held, received, refused


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_nothing_is_counted_at_first(house: House) -> None:
    assert [stage.stage.value for stage in house.pipeline.stages()] == [
        "received",
        "held",
        "allocated",
        "collected",
        "refused",
    ]
    assert house.counts() == {}
    assert house.pipeline.newest_fact_at() is None


def test_work_is_counted_in_the_stage_where_it_is(house: House) -> None:
    house.hear(received("w1"), received("w2"), received("w3"), received("w3", version=2), held("w1"), allocated("w2"))
    assert house.counts() == {"received": 1, "held": 1, "allocated": 1}
    house.hear(allocated("w1"), collected("w1"))
    assert house.counts() == {"received": 1, "allocated": 1, "collected": 1}


def test_refusals_are_counted_apart(house: House) -> None:
    house.hear(refused("w1"), refused("w1"), received("w1"))
    assert house.counts() == {"received": 1, "refused": 2}


def test_one_assignment_is_counted_alone(house: House) -> None:
    house.hear(received("w1"), received("w2", assignment_id="K827-26J-TMA02"))
    assert house.counts(TMA01) == {"received": 1}
    assert house.counts() == {"received": 2}
    assert house.pipeline.assignments() == [TMA01, "K827-26J-TMA02"]


def test_the_oldest_in_a_stage_is_known(house: House) -> None:
    house.hear(received("w1", minute=5), received("w2", minute=3))
    (oldest,) = [stage.oldest_since for stage in house.pipeline.stages() if stage.count]
    assert oldest == at(3)


def test_both_topics_in_any_order_end_alike(tmp_path: Path) -> None:
    for place, order in enumerate(sorted(set(permutations("ssmmm")))):
        folder = tmp_path / str(place)
        folder.mkdir()
        house = House(folder)
        topics = {
            "s": house.messages_of(received(minute=0), received(version=2, minute=9)),
            "m": house.messages_of(held(), allocated(), collected()),
        }
        house.deliver([topics[topic].pop(0) for topic in order])
        assert house.counts() == {"collected": 1}
        assert [row["stage"] for row in house.rows("work_stage")] == ["collected"]
        assert all(row["count"] == 0 for row in house.rows("stage_count") if row["stage"] != "collected")


class Answering:
    """A service that can be asked."""

    def facts(self, kind: str, *, after: str = "", limit: int = 1000) -> list[dict[str, object]]:
        return []

    def status(self) -> dict[str, object]:
        return {"unpublished": 3}


class Away(Answering):
    """A service whose database is away."""

    def status(self) -> dict[str, object]:
        message = "the database is away"
        raise Unavailable(message)


def test_a_service_that_cannot_be_asked_is_said_and_hides_no_other(tmp_path: Path) -> None:
    house = House(tmp_path, {"marking": Away(), "submission": Answering()})
    away, there = house.pipeline.services()
    assert (away.service, away.problem) == ("marking", "the database is away")
    assert (there.figures, there.problem) == ({"unpublished": 3}, None)


class Slow(Answering):
    """A service that answers when as many are asked as the barrier waits for."""

    def __init__(self, barrier: Barrier) -> None:
        self.barrier = barrier

    def status(self) -> dict[str, object]:
        self.barrier.wait(timeout=10)
        return {}


def test_all_services_are_asked_at_once(tmp_path: Path) -> None:
    barrier = Barrier(2)
    house = House(tmp_path, {"marking": Slow(barrier), "submission": Slow(barrier)})
    assert [each.service for each in house.pipeline.services()] == ["marking", "submission"]
