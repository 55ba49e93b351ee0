"""What a worker on a real broker promises, each with the accident that it is for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.errors import Rejected, Unavailable
from shared.inspection import messaging_status
from shared.messaging import faust_worker, log_watch
from shared.messaging.consumer import Consumer
from shared.messaging.observed_ends import ObservedEnds
from shared.messaging.tables import dead_letter
from tests.integration.operations_house import received
from tests.support.databases import ManualClock, make_database
from tests.support.kafka import new_topic
from tests.support.pipe import effects_metadata
from tests.support.servers import address
from tests.support.worker_house import SECONDS, SERVICE, WORKER, WorkerHouse, a_topic, versions, wait_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # see `WorkerHouse.close`
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WORKS = [f"w{number}" for number in range(20)]


@pytest.fixture(autouse=True)
def time_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine leaving the group takes longer than a process may; one left half-way disturbs the next."""
    monkeypatch.setattr(faust_worker, "STOP_SECONDS", SECONDS)


@pytest.fixture(params=[False, True], ids=["contiguous", "compacted"])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[WorkerHouse]:
    database = make_database(effects_metadata, tmp_path, SERVICE, ManualClock())
    house = WorkerHouse(address("kafka"), a_topic(compacted=request.param), database)
    with new_topic(house.topic.name, partitions=4):
        yield house
        house.close()


@pytest.mark.parametrize("start", range(5))
def test_a_worker_starts_whatever_it_finds(house: WorkerHouse, start: int) -> None:
    house.send(*versions(WORKS, start))
    with house.worker() as worker:
        wait_until(lambda: not worker.problems())
        wait_until(lambda: len(house.effects()) == start * len(WORKS))
        assert worker.failed == {}


def test_each_fact_has_one_effect_in_the_order_of_its_key_over_restarts(house: WorkerHouse) -> None:
    for upto in (1, 2, 3):
        house.send(*(received(work, version=upto) for work in WORKS))
        with house.worker():
            wait_until(lambda upto=upto: len(house.effects()) == upto * len(WORKS))  # type: ignore[misc]
    assert house.versions_of_each() == {work: [1, 2, 3] for work in WORKS}


def test_what_comes_within_a_moment_is_applied_together(house: WorkerHouse) -> None:
    with house.worker() as worker:
        wait_until(lambda: not worker.problems())
        before = house.database.commits
        house.send(*versions(WORKS, 5))
        wait_until(lambda: len(house.effects()) == 5 * len(WORKS))
        assert house.database.commits - before < len(WORKS) / 2  # with the notes on where the log ends
    assert house.versions_of_each() == {work: [1, 2, 3, 4, 5] for work in WORKS}


def test_what_can_never_work_is_buried_and_what_follows_it_is_parked(house: WorkerHouse) -> None:
    house.trouble = lambda fact: Rejected("never") if (fact.key, fact.model_dump()["version"]) == ("w1", 1) else None
    house.send(*versions(["w1", "w2"], 2))
    with house.worker() as worker:
        wait_until(lambda: len(house.effects()) == 2 and len(house.letters().list("parked")) == 1)
        assert worker.problems() == {}
    assert [letter.key for letter in house.letters().list("buried")] == ["w1"]
    assert house.effects() == [("w2", 1), ("w2", 2)]


def test_how_far_a_worker_is_behind_can_be_seen_without_a_broker(house: WorkerHouse) -> None:
    house.trouble = lambda _fact: Unavailable()
    house.send(*versions(WORKS, 2))
    ends = ObservedEnds(house.database)
    with house.worker():
        wait_until(lambda: ends.end_offsets() == house.bus.end_offsets())
        assert messaging_status(house.database, ends)["lag"] == 2 * len(WORKS)
        house.trouble = lambda _fact: None
        wait_until(lambda: messaging_status(house.database, ends)["lag"] == 0)


def test_infrastructure_that_is_away_is_waited_for_and_the_worker_says_so(house: WorkerHouse) -> None:
    away = [Unavailable()] * 3
    house.trouble = lambda _fact: away[-1] if away else None
    house.send(received("w1"))
    with house.worker() as worker:
        wait_until(lambda: worker.problems() == {WORKER: "waits: unavailable"})
        assert house.effects() == []
        away.clear()
        wait_until(lambda: house.effects() == [("w1", 1)] and worker.problems() == {})


@pytest.mark.parametrize("waits_for", ["its place", "a fact"])
def test_a_worker_that_waits_stops_when_it_is_asked_to(
    house: WorkerHouse, monkeypatch: pytest.MonkeyPatch, waits_for: str
) -> None:
    house.trouble = lambda _fact: Unavailable()
    house.send(received("w1"))
    if waits_for == "its place":
        monkeypatch.setattr(Consumer, "begin", database_is_away)
    with house.worker() as worker:
        wait_until(lambda: worker.problems() == {WORKER: "waits: unavailable"})
        worker.stop()
        assert worker.join(5)
    assert worker.failed == {}


def database_is_away(_consumer: Consumer, _partitions: object) -> dict[tuple[str, int], int]:
    raise Unavailable


def test_a_worker_that_stopped_stands_still_and_says_why(house: WorkerHouse) -> None:
    house.trouble = lambda _fact: Rejected("never")
    house.limit = 3
    house.send(*(received(work) for work in WORKS))
    with house.worker() as worker:
        wait_until(lambda: "3 messages in a row failed" in worker.problems().get(WORKER, ""))
        assert worker.failed == {}
    assert len(house.letters().list()) == 3


def test_a_bug_outside_of_the_handlers_ends_the_worker_and_passes_over_nothing(house: WorkerHouse) -> None:
    house.trouble = lambda fact: Rejected("never") if fact.key == "w1" else None
    with house.database.changing_tables() as connection:
        dead_letter.drop(connection)
    house.send(received("w1"), received("w2"))
    with house.worker() as worker:
        wait_until(lambda: WORKER in worker.failed, seconds=2 * SECONDS)
    with house.database.changing_tables() as connection:
        dead_letter.create(connection)
    with house.worker():
        wait_until(lambda: len(house.letters().list()) == 1 and house.effects() == [("w2", 1)])


def test_a_worker_that_does_not_learn_in_time_where_it_was_ends_and_the_next_one_goes_on(
    house: WorkerHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.send(*versions(WORKS, 2))
    with monkeypatch.context() as outage:
        outage.setattr(faust_worker, "SEEK_SECONDS", 5.0)
        outage.setattr(Consumer, "begin", database_is_away)
        with house.worker() as worker:
            wait_until(lambda: worker.problems() == {WORKER: "waits: unavailable"})
            wait_until(lambda: "TimeoutError" in worker.failed.get(WORKER, ""), seconds=20)
    assert house.effects() == []
    with house.worker():
        wait_until(lambda: len(house.effects()) == 2 * len(WORKS))


def test_a_worker_that_faust_feeds_no_more_ends_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = make_database(effects_metadata, tmp_path, SERVICE, ManualClock())
    house = WorkerHouse(address("kafka"), a_topic(), database)
    with new_topic(house.topic.name, partitions=4):
        house.send(*versions(WORKS, 2))
        with monkeypatch.context() as famine:
            famine.setattr(log_watch, "STUCK_SECONDS", 2.0)
            famine.setattr(faust_worker._KafkaConsumer, "_wait_next_records", no_records)
            with house.worker() as worker:
                wait_until(lambda: "Starved" in worker.failed.get(WORKER, ""))
        assert house.effects() == []
        with house.worker():
            wait_until(lambda: len(house.effects()) == 2 * len(WORKS))
    house.close()


async def no_records(_consumer: object, _timeout: float) -> tuple[dict[object, object], set[object]]:
    await asyncio.sleep(0.1)
    return {}, set()


def test_a_missing_topic_is_named_and_waited_for(tmp_path: Path) -> None:
    database = make_database(effects_metadata, tmp_path, SERVICE, ManualClock())
    house = WorkerHouse(address("kafka"), a_topic(), database)
    with ExitStack() as until_it_has_left, house.worker() as worker:
        wait_until(lambda: house.topic.name in worker.problems().get(WORKER, ""))
        until_it_has_left.enter_context(new_topic(house.topic.name, partitions=2))
        wait_until(lambda: worker.problems() == {})
        house.send(received("w1"))
        wait_until(lambda: house.effects() == [("w1", 1)])
    house.close()


def test_a_topic_made_anew_under_a_worker_stops_it(tmp_path: Path) -> None:
    database = make_database(effects_metadata, tmp_path, SERVICE, ManualClock())
    house = WorkerHouse(address("kafka"), a_topic(compacted=True), database)
    with house.worker() as worker:
        with new_topic(house.topic.name, partitions=1):
            house.send(*versions(WORKS, 3))
            wait_until(lambda: len(house.effects()) == 3 * len(WORKS))
        with new_topic(house.topic.name, partitions=1):
            house.send(*(received(work, version=4) for work in WORKS))
            wait_until(lambda: "made anew" in worker.problems().get(WORKER, ""), seconds=20)
            assert len(house.effects()) == 3 * len(WORKS)
    house.close()


def test_workers_share_the_partitions_and_take_over_from_one_another(house: WorkerHouse) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            worker = stack.enter_context(house.worker())
            wait_until(lambda: not worker.problems())  # noqa: B023 - asked at once
        house.send(*versions(WORKS, 5))
        wait_until(lambda: len(house.effects()) >= 2 * len(WORKS))
        worker.stop()
        house.send(*(received(work, version=6) for work in WORKS))
        wait_until(lambda: len(house.effects()) >= 6 * len(WORKS))
    assert house.versions_of_each() == {work: [1, 2, 3, 4, 5, 6] for work in WORKS}
