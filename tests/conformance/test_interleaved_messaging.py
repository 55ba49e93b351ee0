"""Two processes of one service read, mend, fire and publish at once, in every interleaving of their statements."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa

from shared.contracts import SUBMISSION, Fact
from shared.database import Database, Transaction
from shared.errors import Conflict, Rejected
from shared.messaging.bus import Record
from shared.messaging.consumer import Consumer, Partition, stored_offsets
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.message import Message
from shared.messaging.relay import Relay
from shared.messaging.tables import outbox
from shared.simulation import claim_time
from shared.timers import Timer, Timers, TimersLoop
from tests.integration.operations_house import received
from tests.support.databases import ManualClock, make_server_database
from tests.support.interleaving import Work, interleaved
from tests.support.pipe import STOP, effects, effects_metadata

pytestmark = pytest.mark.cluster

Handle = Callable[[Sequence[Fact], Transaction], None]


@pytest.fixture
def database() -> Iterator[Database]:
    database = make_server_database(effects_metadata, "marking", ManualClock())
    yield database
    database.close()


def note(facts: Sequence[Fact], tx: Transaction) -> None:
    rows = [{"kind": "effect", "work_id": fact.key, "version": fact.model_dump()["version"]} for fact in facts]
    tx.connection.execute(sa.insert(effects), rows)


def refuse(_facts: Sequence[Fact], _tx: Transaction) -> None:
    raise Rejected("never")


def consumer(database: Database, handle: Handle = note) -> Consumer:
    return Consumer(database=database, handlers={type(received()): handle}, limit=1000)


def records(database: Database, key: str, number: int) -> list[Record]:
    """So many facts of a key, as records from offset 0."""
    with database.transaction() as tx:
        tx.publish_all(received(key, version=version + 1) for version in range(number))
    said = sa.select(outbox).where(outbox.c.key == key).order_by(outbox.c.position)
    with database.reading() as connection:
        return [
            Record(topic=row.topic, partition=0, offset=place, key=row.key, headers=row.headers, value=row.value)
            for place, row in enumerate(connection.execute(said))
        ]


def handling(database: Database, partition: int, found: Sequence[Record], handle: Handle = note) -> Work:
    moved = [replace(record, partition=partition) for record in found]
    return lambda: consumer(database, handle).handle(SUBMISSION, moved, topic_id="t")


def beginning(database: Database, partition: int, end_offset: int) -> Work:
    there = Partition(topic=SUBMISSION, number=partition, topic_id="t", first_offset=0, end_offset=end_offset)
    return lambda: consumer(database).begin([there])[SUBMISSION.name, partition]


def done(database: Database, key: str) -> list[int]:
    made = sa.select(effects.c.version).where(effects.c.work_id == key)
    with database.reading() as connection:
        return list(connection.scalars(made))


def letters(database: Database, state: str, key: str) -> list[int]:
    found = DeadLetters(database, consumer(database)).list(state, limit=10_000)
    return [letter.id for letter in found if letter.key == key]


def test_a_batch_that_two_workers_have_has_its_effects_once(database: Database) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        found = records(database, f"w{number}", 3)
        beginning(database, number, 3)()
        return handling(database, number, found), handling(database, number, found)

    for number, ends in interleaved(database, scene):
        assert (ends.first, ends.second) == (None, None)
        assert done(database, f"w{number}") == [1, 2, 3]


def test_a_fact_that_came_twice_has_its_effect_once_whoever_reads_which(database: Database) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        found = records(database, f"w{number}", 1)
        return handling(database, number, found), handling(database, number + 1000, found)

    for number, ends in interleaved(database, scene):
        assert (ends.first, ends.second) == (None, None)
        assert done(database, f"w{number}") == [1]


def test_one_that_begins_takes_nothing_back_of_what_another_has_read(database: Database) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        begin, apply = beginning(database, number, 2), handling(database, number, records(database, f"w{number}", 2))
        return beginning(database, number, 2), lambda: (begin(), apply())

    for number, ends in interleaved(database, scene):
        assert ends.first in (0, 2), ends
        with database.reading() as connection:
            assert stored_offsets(connection, "marking")[SUBMISSION.name, number] == 2


def test_a_buried_fact_is_replayed_once(database: Database) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        handling(database, number, records(database, f"w{number}", 1), refuse)()
        (letter,) = letters(database, "buried", f"w{number}")
        replay = DeadLetters(database, consumer(database)).replay
        return lambda: replay(letter), lambda: replay(letter)

    for number, ends in interleaved(database, scene):
        assert {type(ends.first), type(ends.second)} == {int, Conflict}, ends
        assert done(database, f"w{number}") == [1]


def test_a_fact_is_replayed_or_discarded(database: Database) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        handling(database, number, records(database, f"w{number}", 1), refuse)()
        (letter,) = letters(database, "buried", f"w{number}")
        mend = DeadLetters(database, consumer(database))
        return lambda: mend.replay(letter), lambda: mend.discard(letter, "the test said so")

    for number, ends in interleaved(database, scene):
        replayed = isinstance(ends.second, Conflict)
        assert ends == type(ends)(1, ends.second) if replayed else isinstance(ends.first, Conflict), ends
        assert done(database, f"w{number}") == ([1] if replayed else [])


@pytest.mark.parametrize("worker_first", [True, False])
def test_what_is_parked_always_has_something_to_wait_for(database: Database, *, worker_first: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        first, *later = records(database, f"w{number}", 3)
        handling(database, number, [first], refuse)()
        (letter,) = letters(database, "buried", f"w{number}")
        both = handling(database, number, later), lambda: DeadLetters(database, consumer(database)).replay(letter)
        return both if worker_first else both[::-1]

    for number, ends in interleaved(database, scene):
        assert not isinstance(ends.first, Exception), ends
        assert not isinstance(ends.second, Exception), ends
        assert done(database, f"w{number}") == [1, 2, 3]
        assert letters(database, "parked", f"w{number}") == letters(database, "buried", f"w{number}") == []


def test_a_timer_fires_once(database: Database) -> None:
    fired: list[str] = []

    def fire(timers: Sequence[Timer], tx: Transaction) -> None:
        note([received(timer.key) for timer in timers], tx)
        fired.extend(timer.key for timer in timers)

    def scene(number: int) -> tuple[Work, Work]:
        with database.transaction() as tx:
            Timers().set(tx, kind="digest", key=f"w{number}", due_at=tx.now)
        step = TimersLoop(database, {"digest": fire}).step
        return lambda: step(STOP), lambda: step(STOP)

    for number, ends in interleaved(database, scene):
        assert {ends.first, ends.second} == {True, False}, ends
        assert done(database, f"w{number}") == [1]
    assert len(fired) == len(set(fired))


def test_a_timer_that_is_moved_while_it_is_due_is_not_lost(database: Database) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        def set_it() -> None:
            with database.transaction() as tx:
                Timers().set(tx, kind="digest", key=f"w{number}", due_at=tx.now)

        set_it()
        step = TimersLoop(database, {"digest": lambda timers, tx: note([received(t.key) for t in timers], tx)}).step
        return set_it, lambda: step(STOP)

    for number, ends in interleaved(database, scene):
        assert (ends.first, type(ends.second)) == (None, bool), ends
        TimersLoop(database, {"digest": lambda timers, tx: note([received(t.key) for t in timers], tx)}).step(STOP)
        assert done(database, f"w{number}") in ([1], [1, 1])


class Bus:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self._one_at_a_time = threading.Lock()

    def append(self, messages: Sequence[Message]) -> None:
        with self._one_at_a_time:
            self.said += messages


def test_two_relays_publish_everything_once_and_in_order(database: Database) -> None:
    bus = Bus()

    def scene(number: int) -> tuple[Work, Work]:
        records(database, f"w{number}", 3)
        return lambda: Relay(database, bus).step(STOP), lambda: Relay(database, bus).step(STOP)

    for number, ends in interleaved(database, scene):
        assert isinstance(ends.first, bool), ends
        assert isinstance(ends.second, bool), ends
        said = [message.fact().model_dump()["version"] for message in bus.said if message.key == f"w{number}"]
        assert said == [1, 2, 3]


def test_of_processes_that_begin_at_once_all_are_of_one_time(database: Database) -> None:
    for _, ends in interleaved(database, lambda _number: (lambda: claim_time(database), lambda: claim_time(database))):
        assert (ends.first, ends.second) == (None, None)
