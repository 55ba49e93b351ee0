"""What the relay, the bus and the consumer promise, each with the accident that it is for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.contracts import PERSON, Fact
from shared.database import Database, Transaction
from shared.errors import Rejected, Unavailable
from shared.inspection import messaging_status
from shared.messaging.consumer import Stopped
from shared.messaging.dead_letters import StillFails
from shared.messaging.local_bus import LocalBus
from shared.messaging.message import Message
from shared.messaging.relay import Relay
from shared.messaging.tables import outbox
from shared.timers import Timer, Timers, TimersLoop
from tests.integration.operations_house import received
from tests.support.databases import ManualClock, make_database
from tests.support.pipe import STOP, Pipe

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    return Pipe(tmp_path)


def broken(*works: str) -> Callable[[Fact], Exception | None]:
    return lambda fact: Rejected("never") if fact.key in works else None


def test_facts_arrive_once_and_in_order(pipe: Pipe) -> None:
    pipe.publish(*(received("w1", version=n) for n in (1, 2, 3)))
    pipe.flow()
    assert pipe.effects() == [("w1", 1), ("w1", 2), ("w1", 3)]
    pipe.flow()
    assert len(pipe.effects()) == 3


def test_a_run_of_one_type_is_one_call(pipe: Pipe) -> None:
    pipe.publish(*(received("w1", version=n) for n in range(1, 101)))
    pipe.flow()
    assert pipe.runs == [100]


def test_nothing_is_published_of_a_transaction_that_rolled_back(pipe: Pipe) -> None:
    with pytest.raises(RuntimeError):
        pipe.publish_and_fail(received())
    pipe.flow()
    assert pipe.effects() == []


def test_sequences_of_a_key_have_no_gaps(pipe: Pipe) -> None:
    with pytest.raises(RuntimeError):
        pipe.publish_and_fail(received("w1"))
    pipe.publish(received("w1"), received("w2"), received("w1", version=2))
    pipe.publish(received("w1", version=3))
    with pipe.producer.reading() as connection:
        headers = connection.execute(sa.select(outbox.c.headers)).scalars().all()
    assert [(h["ce_partitionkey"], h["ce_sequence"]) for h in headers] == [
        ("w1", "1"),
        ("w2", "1"),
        ("w1", "2"),
        ("w1", "3"),
    ]


class _ForgetfulBus:
    """Takes the messages and then loses its voice, as a broker that dies after the write."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus

    def append(self, messages: Sequence[Message]) -> None:
        self.bus.append(messages)
        raise Unavailable


def test_a_relay_that_dies_after_the_acknowledgement_sends_again_and_nothing_doubles(pipe: Pipe) -> None:
    pipe.publish(received("w1"))
    with pytest.raises(Unavailable):
        Relay(pipe.producer, _ForgetfulBus(pipe.bus)).step(STOP)  # type: ignore[arg-type]
    pipe.flow()
    assert pipe.effects() == [("w1", 1)]


class _ClosedBus(_ForgetfulBus):
    def append(self, messages: Sequence[Message]) -> None:
        raise Unavailable


def test_a_relay_marks_only_what_the_bus_took(pipe: Pipe) -> None:
    pipe.publish(received("w1"))
    with pytest.raises(Unavailable):
        Relay(pipe.producer, _ClosedBus(pipe.bus)).step(STOP)  # type: ignore[arg-type]
    pipe.flow()
    assert pipe.effects() == [("w1", 1)]


def test_a_message_that_comes_twice_at_two_offsets_has_one_effect(pipe: Pipe) -> None:
    (record,) = pipe.records(received("w1"))
    pipe.handle_records([record])
    pipe.handle_records([replace(record, offset=1)])
    assert (pipe.effects(), pipe.letters.list()) == ([("w1", 1)], [])


def test_a_message_that_comes_twice_in_one_batch_has_one_effect(pipe: Pipe) -> None:
    (record,) = pipe.records(received("w1"))
    pipe.handle_records([record, replace(record, offset=1)])
    assert pipe.effects() == [("w1", 1)]


def test_offsets_read_again_are_dropped(pipe: Pipe) -> None:
    records = pipe.records(received("w1"), received("w2"))
    pipe.handle_records(records)
    pipe.handle_records(records)
    assert pipe.effects() == [("w1", 1), ("w2", 1)]


def test_what_waits_in_the_partitions_of_a_topic_is_applied_at_once(pipe: Pipe) -> None:
    pipe.publish(*(received(f"w{number}") for number in range(20)))
    pipe.relay_all()
    before = pipe.reader.commits
    pipe.consume_all()
    assert len(pipe.effects()) == 20
    assert pipe.reader.commits - before == 2  # the places where it begins, and the facts


def test_a_partition_that_has_no_fault_is_not_held_up_by_one_that_has(pipe: Pipe) -> None:
    records = pipe.records(received("w1"), received("w2"))
    other = [replace(record, partition=1) for record in pipe.records(received("w3"), received("w4"))[2:]]
    pipe.trouble = lambda fact: Rejected("never") if fact.key == "w1" else None
    pipe.handle_records([*records, *(replace(record, offset=number) for number, record in enumerate(other))])
    assert sorted(pipe.effects()) == [("w2", 1), ("w3", 1), ("w4", 1)]
    assert pipe.runs[-1] == 2  # the other partition's are still one run
    assert [letter.key for letter in pipe.letters.list("buried")] == ["w1"]


def test_a_hole_in_the_offsets_stops_the_consumer(pipe: Pipe) -> None:
    records = pipe.records(received("w1"), received("w2"), received("w3"))
    pipe.handle_records(records[:1])
    with pytest.raises(Stopped, match="expected offset 1, found 2"):
        pipe.handle_records(records[2:])
    assert pipe.effects() == [("w1", 1)]


def test_a_compacted_topic_may_have_holes(pipe: Pipe) -> None:
    records = pipe.records(received("w1"), received("w2"), received("w3"))
    pipe.handle_records([records[0], records[2]], topic=PERSON)
    assert pipe.effects() == [("w1", 1), ("w3", 1)]


def test_a_topic_made_anew_stops_the_consumer(pipe: Pipe) -> None:
    records = pipe.records(received("w1"), received("w2"))
    pipe.handle_records(records[:1], topic_id="old")
    with pytest.raises(Stopped, match="made anew"):
        pipe.handle_records(records[1:], topic_id="new")


def test_a_bus_made_anew_stops_the_consumer_before_its_log_has_outgrown_the_old_one(pipe: Pipe) -> None:
    pipe.publish(*(received(f"w{number}") for number in range(9)))
    pipe.flow()
    lose_the_bus(pipe)
    pipe.publish(received("w9"))
    pipe.relay_all()
    with pytest.raises(Stopped, match="made anew: its offsets"):
        pipe.consume_all()
    assert "made anew" in str(pipe.consumer.stopped)


def test_a_bus_made_anew_is_noticed_by_a_consumer_that_never_had_a_fact(pipe: Pipe) -> None:
    pipe.consume_all()
    pipe.publish(received("w1"))
    pipe.relay_all()
    lose_the_bus(pipe)
    with pytest.raises(Stopped, match="made anew"):
        pipe.consume_all()


def test_a_log_that_ends_before_what_was_read_stops_the_consumer(pipe: Pipe) -> None:
    pipe.publish(received("w1"), received("w1", version=2))
    pipe.flow()
    change_the_bus(pipe, "UPDATE log_end SET next_offset = 1 WHERE next_offset = 2")
    with pytest.raises(Stopped, match="offset 2 was read, the log ends at 1"):
        pipe.consume_all()


def test_a_log_that_lost_what_was_not_read_yet_stops_the_consumer(pipe: Pipe) -> None:
    pipe.publish(received("w1"))
    pipe.flow()
    pipe.publish(received("w1", version=2), received("w1", version=3))
    pipe.relay_all()
    change_the_bus(pipe, 'DELETE FROM log WHERE "offset" < 2')
    with pytest.raises(Stopped, match="goes on at 1, the log begins at 2"):
        pipe.consume_all()
    assert pipe.effects() == [("w1", 1)]


def test_after_the_bus_is_lost_the_steps_in_the_documentation_bring_everything_once(pipe: Pipe) -> None:
    pipe.trouble = broken("w3")
    pipe.publish(received("w1"), received("w2"), received("w3"), received("w3", version=2))
    pipe.flow()
    pipe.publish(received("w1", version=2))
    pipe.relay_all()
    lose_the_bus(pipe)
    steps = re.findall(r"^(?:UPDATE|DELETE)[^;]*;$", OPERATIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(steps) == 3
    for database, step in itertools.product((pipe.producer, pipe.reader), steps):
        with database.transaction() as tx:
            tx.connection.exec_driver_sql(step)
    pipe.flow()
    pipe.trouble = lambda _fact: None
    (letter,) = pipe.letters.list()
    pipe.letters.replay(letter.id)
    assert sorted(pipe.effects()) == [("w1", 1), ("w1", 2), ("w2", 1), ("w3", 1), ("w3", 2)]


def lose_the_bus(pipe: Pipe) -> None:
    pipe.bus.close()
    for file in pipe.folder.glob("bus.db*"):
        file.unlink()
    pipe.open_bus()


def change_the_bus(pipe: Pipe, statement: str) -> None:
    with pipe.bus.database.transaction() as tx:
        tx.connection.exec_driver_sql(statement)


def test_what_can_never_work_is_buried_and_the_others_go_on(pipe: Pipe) -> None:
    pipe.trouble = broken("w2")
    pipe.publish(received("w1"), received("w2"), received("w3"))
    pipe.flow()
    assert sorted(pipe.effects()) == [("w1", 1), ("w3", 1)]
    (letter,) = pipe.letters.list()
    assert (letter.key, letter.attempts, letter.reason) == ("w2", 1, "Rejected: never")


def test_a_bug_is_tried_a_few_times_before_it_is_buried(pipe: Pipe) -> None:
    pipe.trouble = lambda fact: KeyError("bug") if fact.key == "w2" else None
    pipe.publish(received("w2"))
    pipe.flow()
    assert pipe.letters.list()[0].attempts == 3


def test_an_outage_is_waited_for_and_never_buried(pipe: Pipe) -> None:
    pipe.trouble = lambda _fact: Unavailable()
    pipe.publish(received("w1"))
    pipe.relay_all()
    for _ in range(10):
        with pytest.raises(Unavailable):
            pipe.consume_all()
    assert (pipe.letters.list(), pipe.effects()) == ([], [])
    pipe.trouble = lambda _fact: None
    pipe.consume_all()
    assert pipe.effects() == [("w1", 1)]


def test_bytes_that_are_no_fact_are_buried_as_they_are(pipe: Pipe) -> None:
    (record,) = pipe.records(received("w1"))
    pipe.handle_records([replace(record, value=b"\xff{not json")])
    assert pipe.letters.list()[0].value == b"\xff{not json"


def test_an_unknown_type_is_counted_and_skipped(pipe: Pipe) -> None:
    (record,) = pipe.records(received("w1"))
    pipe.handle_records([replace(record, headers={**record.headers, "ce_type": "etma.submission.NewThing.v1"})])
    assert (pipe.consumer.unknown_types, pipe.effects(), pipe.letters.list()) == (1, [], [])


def test_later_facts_of_a_buried_key_wait_behind_it_and_replay_in_order(pipe: Pipe) -> None:
    pipe.trouble = broken("w2")
    pipe.publish(received("w2", version=1))
    pipe.flow()
    pipe.trouble = lambda _fact: None
    pipe.publish(received("w2", version=2), received("w3"), received("w2", version=3))
    pipe.flow()
    assert pipe.effects() == [("w3", 1)]
    (letter,) = pipe.letters.list()
    assert pipe.letters.replay(letter.id) == 3
    assert pipe.effects() == [("w3", 1), ("w2", 1), ("w2", 2), ("w2", 3)]
    assert pipe.letters.list() == pipe.letters.list("parked") == []


def test_a_replay_that_fails_leaves_everything_where_it_was(pipe: Pipe) -> None:
    pipe.trouble = broken("w2")
    pipe.publish(received("w2", version=1), received("w2", version=2))
    pipe.flow()
    (letter,) = pipe.letters.list()
    with pytest.raises(Rejected):
        pipe.letters.replay(letter.id)
    assert (len(pipe.letters.list()), len(pipe.letters.list("parked")), pipe.effects()) == (1, 1, [])


def test_a_replay_that_meets_a_bug_says_that_the_letter_stays(pipe: Pipe) -> None:
    pipe.trouble = lambda _fact: KeyError("tutor")
    pipe.publish(received("w2"))
    pipe.flow()
    (letter,) = pipe.letters.list()
    with pytest.raises(StillFails, match=f"Dead letter {letter.id} stays buried.*: KeyError"):
        pipe.letters.replay(letter.id)
    assert [each.id for each in pipe.letters.list()] == [letter.id]


def test_a_replay_that_fails_half_way_leaves_a_head_to_replay_again(pipe: Pipe) -> None:
    pipe.trouble = broken("w2")
    pipe.publish(*(received("w2", version=n) for n in (1, 2, 3)))
    pipe.flow()
    pipe.trouble = lambda fact: Rejected("still") if fact.model_dump()["version"] == 2 else None
    with pytest.raises(Rejected, match="still"):
        pipe.letters.replay(pipe.letters.list()[0].id)
    assert pipe.effects() == [("w2", 1)]
    pipe.trouble = lambda _fact: None
    (head,) = pipe.letters.list()
    assert pipe.letters.replay(head.id) == 2
    assert pipe.effects() == [("w2", 1), ("w2", 2), ("w2", 3)]


def test_discarding_brings_the_next_parked_one_forward(pipe: Pipe) -> None:
    pipe.trouble = broken("w2")
    pipe.publish(received("w2", version=1), received("w2", version=2))
    pipe.flow()
    pipe.letters.discard(pipe.letters.list()[0].id, "the test said so")
    (letter,) = pipe.letters.list()
    pipe.trouble = lambda _fact: None
    assert pipe.letters.replay(letter.id) == 1
    assert pipe.effects() == [("w2", 2)]


def test_what_was_discarded_has_no_effect_when_it_comes_again(pipe: Pipe) -> None:
    pipe.trouble = broken("w2")
    (record,) = pipe.records(received("w2"))
    pipe.handle_records([record])
    pipe.letters.discard(pipe.letters.list()[0].id, "the test said so")
    pipe.trouble = lambda _fact: None
    pipe.handle_records([replace(record, offset=1)])
    assert (pipe.effects(), pipe.letters.list()) == ([], [])


def test_bytes_that_are_no_fact_can_be_discarded(pipe: Pipe) -> None:
    (record,) = pipe.records(received("w1"))
    pipe.handle_records([replace(record, headers={})])
    pipe.letters.discard(pipe.letters.list()[0].id, "the test said so")
    assert pipe.letters.list() == []


def test_when_everything_fails_the_consumer_stops_instead_of_burying_it_all(pipe: Pipe) -> None:
    pipe.trouble = lambda _fact: Rejected("a bad release")
    pipe.publish(*(received(f"w{n}") for n in range(10)))
    pipe.relay_all()
    with pytest.raises(Stopped, match="3 messages in a row failed"):
        pipe.consume_all()
    assert len(pipe.letters.list()) == 3


def test_what_is_parked_does_not_end_a_row_of_failures(pipe: Pipe) -> None:
    pipe.trouble = lambda _fact: Rejected("a bad release")
    pipe.publish(*(received(f"w{n}", version=version) for n in range(10) for version in (1, 2)))
    pipe.relay_all()
    with pytest.raises(Stopped, match="3 messages in a row failed"):
        pipe.consume_all()
    assert len(pipe.letters.list("buried")) == 3


def test_a_timer_fires_once_with_its_effect(tmp_path: Path) -> None:
    clock = ManualClock()
    database: Database = make_database(sa.MetaData(), tmp_path, "notifier", clock)
    fired: list[str] = []

    def fire(timers: Sequence[Timer], _tx: Transaction) -> None:
        fired.extend(timer.key for timer in timers)

    loop = TimersLoop(database, {"digest": fire})
    with database.transaction() as tx:
        Timers().set(tx, kind="digest", key="p1", due_at=clock.now())
        Timers().set(tx, kind="digest", key="p2", due_at=clock.now())
        Timers().cancel(tx, kind="digest", key="p2")
    assert loop.step(STOP)
    assert not loop.step(STOP)
    assert fired == ["p1"]


def test_a_timer_whose_effect_fails_stays_set(tmp_path: Path) -> None:
    clock = ManualClock()
    database = make_database(sa.MetaData(), tmp_path, "notifier", clock)

    def fail(_timers: Sequence[Timer], _tx: Transaction) -> None:
        raise Unavailable

    with database.transaction() as tx:
        Timers().set(tx, kind="digest", key="p1", due_at=clock.now())
    with pytest.raises(Unavailable):
        TimersLoop(database, {"digest": fail}).step(STOP)
    fired: list[str] = []
    assert TimersLoop(database, {"digest": lambda timers, _tx: fired.extend(t.key for t in timers)}).step(STOP)
    assert fired == ["p1"]


def set_timers(database: Database, *timers: tuple[str, str]) -> None:
    with database.transaction() as tx:
        for kind, key in timers:
            Timers().set(tx, kind=kind, key=key, due_at=tx.now)


def test_a_timer_that_fails_holds_up_no_other_is_visible_and_is_tried_again_until_it_works(tmp_path: Path) -> None:
    clock = ManualClock()
    database = make_database(sa.MetaData(), tmp_path, "notifier", clock)
    fired: list[str] = []
    broken_keys = {"p2"}

    def fire(timers: Sequence[Timer], tx: Transaction) -> None:
        keys = [timer.key for timer in timers]
        if broken_keys.intersection(keys):
            raise KeyError("bug")
        tx.after_commit(lambda: fired.extend(keys))

    def broken_kind(_timers: Sequence[Timer], _tx: Transaction) -> None:
        raise KeyError("bug")

    set_timers(database, ("lapse", "w1"), ("digest", "p1"), ("digest", "p2"), ("digest", "p3"))
    loop = TimersLoop(database, {"digest": fire, "lapse": broken_kind})
    assert loop.step(STOP)
    assert fired == ["p1", "p3"]
    assert not loop.step(STOP)
    assert messaging_status(database)["timers_due"] == messaging_status(database)["timers_failing"] == 2
    assert loop.problems() == {}
    for _ in range(2):
        clock.advance(timedelta(minutes=5))
        loop.step(STOP)
    words = "timers cannot be fired and are tried again: 1 of kind digest, 1 of kind lapse"
    assert loop.problems() == {"notifier.timers": words}
    broken_keys.clear()
    clock.advance(timedelta(minutes=5))
    loop.step(STOP)
    assert fired == ["p1", "p3", "p2"]
    assert "digest" not in loop.problems()["notifier.timers"]


def test_a_timer_that_is_set_again_begins_anew(tmp_path: Path) -> None:
    clock = ManualClock()
    database = make_database(sa.MetaData(), tmp_path, "notifier", clock)
    set_timers(database, ("digest", "p1"))

    def fail(_timers: Sequence[Timer], _tx: Transaction) -> None:
        raise KeyError("bug")

    TimersLoop(database, {"digest": fail}).step(STOP)
    set_timers(database, ("digest", "p1"))
    fired: list[str] = []
    assert TimersLoop(database, {"digest": lambda timers, _tx: fired.extend(t.key for t in timers)}).step(STOP)
    assert fired == ["p1"]
