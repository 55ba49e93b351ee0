"""Reads facts and applies them: progress, inbox, effects and new facts in one transaction.

What happens to a failure is decided by its class: `Rejected` is buried at once, `Unavailable` is waited for without
end, anything else is tried a few times and then buried. Later facts of a buried fact's key are parked behind it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa
import structlog

from shared.contracts import FACTS, Fact, Topic
from shared.database import Database, Transaction, insertion, upsert
from shared.errors import Rejected, Unavailable, public_name
from shared.housekeeping import PRUNE_SECONDS, STEP_ROWS, Chore
from shared.killpoints import kill_point
from shared.messaging.bus import Bus, Record
from shared.messaging.message import Message
from shared.messaging.streak import Streak
from shared.messaging.tables import ARCHIVED, dead_letter, inbox, progress

Handler = Callable[[Sequence[Any], Transaction], None]
HandlerTable = Mapping[type[Fact], Handler]


def merged(*tables: HandlerTable) -> HandlerTable:
    """One table out of several; a fact that stands in more than one goes to each handler, in the order given."""
    kinds = dict.fromkeys(kind for table in tables for kind in table)
    return {kind: _one_after_another([table[kind] for table in tables if kind in table]) for kind in kinds}


def _one_after_another(handlers: Sequence[Handler]) -> Handler:
    def handle(facts: Sequence[Any], tx: Transaction) -> None:
        for handler in handlers:
            handler(facts, tx)

    return handlers[0] if len(handlers) == 1 else handle


BATCH = 500
ATTEMPTS_BEFORE_BURIAL = 3
CONSECUTIVE_DEAD_LETTERS = 20
PLACE = ("consumer", "topic", "partition")
INBOX = ("consumer", "ce_id")
_NOTED = upsert(inbox, key=INBOX, update=()).returning(inbox.c.ce_id)

log = structlog.get_logger()


class Stopped(Exception):
    """The consumer refuses to go on: its log is not the one it knew, or everything fails. A person must look."""


LOST_LOG = "Put back the log that belongs to the databases, or see 'When the bus is lost' in docs/operations.md."


def _made_anew(topic: Topic) -> str:
    return f"{topic.name} was made anew: its offsets are not the ones this consumer knew. {LOST_LOG}"


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition as the bus has it now; `end_offset` is one past the last record."""

    topic: Topic
    number: int
    topic_id: str
    first_offset: int
    end_offset: int


class Consumer:
    """One service's consumer over all the topics that it reads.

    `handle` is the heart and knows no bus: it takes records of one topic, of each partition in order. Handlers get runs
    of facts of one type. `counters` tells what was skipped.
    """

    def __init__(self, *, database: Database, handlers: HandlerTable, limit: int = CONSECUTIVE_DEAD_LETTERS) -> None:
        self.name = database.source
        self.database = database
        self.handlers = handlers
        self.limit = limit
        self.stopped: str | None = None
        self.unknown_types = 0
        self._failures = Streak(limit)

    def begin(self, partitions: Sequence[Partition]) -> dict[tuple[str, int], int]:
        """Where each partition goes on, by topic and number; noted at once where this consumer never was.

        Raises `Stopped` when a log is not the one that this consumer knew, or has lost what it did not read yet:
        its offsets would never come, or mean other facts.
        """
        in_one_order = sorted(partitions, key=lambda each: (each.topic.name, each.number))
        with self.database.transaction() as tx:
            rows = [self._progress(each.topic, each.number, each.first_offset, each.topic_id) for each in in_one_order]
            tx.write(upsert(progress, key=PLACE, update=()), rows)
            places = [(each, self.hold(each.topic.name, each.number, tx)) for each in in_one_order]
        if self.stopped:
            raise Stopped(self.stopped)
        for each, place in places:
            self._check_log(each, place)
        return {(each.topic.name, each.number): place.next_offset for each, place in places}

    def _check_log(self, found: Partition, place: Any) -> None:  # noqa: ANN401 - a row
        name = f"{found.topic.name}/{found.number}"
        if place.topic_id != found.topic_id:
            self._stop(_made_anew(found.topic))
        if place.next_offset > found.end_offset:
            self._stop(f"{name}: offset {place.next_offset} was read, the log ends at {found.end_offset}. {LOST_LOG}")
        if found.topic.offsets == "contiguous" and place.next_offset < found.first_offset:
            self._stop(f"{name}: goes on at {place.next_offset}, the log begins at {found.first_offset}. {LOST_LOG}")

    def handle(self, topic: Topic, records: Sequence[Record], *, topic_id: str) -> None:
        """Apply records of one topic, of each partition in order, in one transaction.

        After a failure each partition has a transaction of its own; after another, each record of it.
        Raises `Unavailable` and `Stopped`.
        """
        try:
            self._apply(topic, records, topic_id)
        except (Unavailable, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - the consumer is the edge: the class decides what happens
            log.warning("consumer.batch_failed", consumer=self.name, topic=topic.name, error=type(error).__name__)
            parts = _by_partition(records).values()
            if len(parts) > 1:
                for part in parts:
                    self.handle(topic, part, topic_id=topic_id)
            else:
                for record in records:
                    self._apply_alone(topic, record, topic_id)

    def _apply_alone(self, topic: Topic, record: Record, topic_id: str) -> None:
        for attempt in range(1, ATTEMPTS_BEFORE_BURIAL + 1):
            try:
                self._apply(topic, [record], topic_id)
            except (Unavailable, Stopped):
                raise
            except Exception as error:  # noqa: BLE001 - as above
                if isinstance(error, Rejected) or attempt == ATTEMPTS_BEFORE_BURIAL:
                    self._bury(topic, record, topic_id, error, attempt)
                    return
            else:
                return

    def _apply(self, topic: Topic, records: Sequence[Record], topic_id: str) -> None:
        if self.stopped:
            raise Stopped(self.stopped)
        with self.database.transaction() as tx:
            parts = sorted(_by_partition(records).items())  # held in one order
            fresh = [record for number, part in parts for record in self._fresh(tx, topic, number, part, topic_id)]
            if not fresh:
                return
            parked = self._parked(tx, fresh)
            applied = [record.message() for record in fresh if record not in parked]
            self.apply_messages(applied, tx)
            self._advance(tx, topic, fresh, topic_id)
            kill_point("consumer.applied")
        if applied:  # what was parked is no success
            self._failures.end()

    def apply_messages(self, messages: Sequence[Message], tx: Transaction) -> None:
        """Hand the messages that the inbox does not know to their handlers, as runs of one type."""
        new = self._unseen(tx, messages)
        for kind, group in groupby(new, key=lambda message: message.type):
            self._hand_over(kind, list(group), tx)

    def pass_over(self, ce_id: str, tx: Transaction) -> None:
        """Note a fact as seen without applying it: should it come again, it has no effect."""
        row = {"consumer": self.name, "ce_id": ce_id, "handled_at": tx.now}
        tx.connection.execute(upsert(inbox, key=INBOX, update=()), [row])

    def pruning(self) -> Chore:
        """The chore that keeps the inbox small."""
        return Chore(name=f"{self.name}.inbox.prune", every_seconds=PRUNE_SECONDS, run=self.prune)

    def prune(self) -> int:
        """Delete a step of the ids that were seen more than fourteen days ago; returns how many."""
        with self.database.transaction() as tx:
            rows = sa.select(inbox.c.ce_id).where(inbox.c.consumer == self.name, inbox.c.handled_at < tx.now - ARCHIVED)
            old = sa.delete(inbox).where(inbox.c.consumer == self.name, inbox.c.ce_id.in_(rows.limit(STEP_ROWS)))
            return tx.connection.execute(old).rowcount

    def _hand_over(self, kind: str, messages: Sequence[Message], tx: Transaction) -> None:
        if kind not in FACTS:
            self.unknown_types += len(messages)
            log.warning("consumer.unknown_type", consumer=self.name, type=kind, count=len(messages))
            return
        handler = self.handlers.get(FACTS[kind])
        if handler is None:
            return
        facts = [message.fact() for message in messages]
        tx.receive({id(fact): message for fact, message in zip(facts, messages, strict=True)})
        handler(facts, tx)

    def _fresh(
        self, tx: Transaction, topic: Topic, partition: int, records: Sequence[Record], topic_id: str
    ) -> Sequence[Record]:
        place = self.hold(topic.name, partition, tx)
        if place is not None and place.topic_id != topic_id:
            self._stop(_made_anew(topic))
        expected = place.next_offset if place is not None else records[0].offset
        fresh = [record for record in records if record.offset >= expected]
        if topic.offsets == "contiguous":
            self._check_contiguous(topic, partition, fresh, expected)
        return fresh

    def _check_contiguous(self, topic: Topic, partition: int, fresh: Sequence[Record], expected: int) -> None:
        for wanted, record in enumerate(fresh, start=expected):
            if record.offset != wanted:
                self._stop(f"{topic.name}/{partition}: expected offset {wanted}, found {record.offset}")

    def _stop(self, why: str, because: Exception | None = None) -> None:
        """Stop with words for everybody; the log has the rest under their reference."""
        reference = uuid.uuid4().hex[:8]
        self.stopped = f"{why} (reference {reference})"
        log.critical("consumer.stopped", consumer=self.name, why=why, reference=reference, exc_info=because)
        raise Stopped(self.stopped)

    def hold(self, topic: str, partition: int, tx: Transaction) -> Any:  # noqa: ANN401 - a row
        """The progress in a partition, None before the first record; until `tx` ends nobody else applies or parks."""
        query = sa.select(progress).where(
            progress.c.consumer == self.name, progress.c.topic == topic, progress.c.partition == partition
        )
        return tx.connection.execute(query.with_for_update()).one_or_none()

    def _advance(self, tx: Transaction, topic: Topic, records: Sequence[Record], topic_id: str) -> None:
        """Note each partition's last record as read."""
        last = {record.partition: record.offset for record in records}
        rows = [self._progress(topic, partition, offset + 1, topic_id) for partition, offset in last.items()]
        tx.write(upsert(progress, key=PLACE, update=["next_offset"]), rows)

    def _progress(self, topic: Topic, partition: int, next_offset: int, topic_id: str) -> dict[str, object]:
        return {
            "consumer": self.name,
            "topic": topic.name,
            "partition": partition,
            "topic_id": topic_id,
            "next_offset": next_offset,
        }

    def _unseen(self, tx: Transaction, messages: Sequence[Message]) -> list[Message]:
        by_id: dict[str, Message] = {}
        for message in messages:
            by_id.setdefault(message.id, message)
        rows = [{"consumer": self.name, "ce_id": ce_id, "handled_at": tx.now} for ce_id in sorted(by_id)]
        new = {row.ce_id for row in tx.write(_NOTED, rows)}
        return [message for message in by_id.values() if message.id in new]

    def _parked(self, tx: Transaction, records: Sequence[Record]) -> list[Record]:
        """Records whose key has an open dead letter wait behind it, in order."""
        query = sa.select(dead_letter.c.topic, dead_letter.c.key).where(
            dead_letter.c.consumer == self.name, dead_letter.c.state.in_(("buried", "parked"))
        )
        blocked = {(row.topic, row.key) for row in tx.connection.execute(query.distinct())}
        waiting = [record for record in records if (record.topic, record.key) in blocked]
        rows = [self._letter(tx, record, state="parked", reason="waits behind a dead letter") for record in waiting]
        tx.write(insertion(dead_letter), rows)
        return waiting

    def _bury(self, topic: Topic, record: Record, topic_id: str, error: Exception, attempts: int) -> None:
        if not self._failures.grow():
            self._stop(f"{self.limit} messages in a row failed, the last with: {public_name(error)}", error)
        with self.database.transaction() as tx:
            self.hold(topic.name, record.partition, tx)
            letter = self._letter(tx, record, state="buried", reason=f"{type(error).__name__}: {error}")
            tx.connection.execute(sa.insert(dead_letter), [letter | {"attempts": attempts}])
            self._advance(tx, topic, [record], topic_id)
        log.error("consumer.buried", consumer=self.name, topic=topic.name, offset=record.offset, exc_info=error)

    def _letter(self, tx: Transaction, record: Record, *, state: str, reason: str) -> dict[str, object]:
        return {
            "consumer": self.name,
            "state": state,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": record.key,
            "headers": record.headers,
            "value": record.value,
            "reason": reason,
            "attempts": 0,
            "buried_at": tx.now,
        }


class ConsumerLoop:
    """Feeds a consumer from a bus by offset, topic by topic; the embedded counterpart of a broker's worker."""

    def __init__(self, consumer: Consumer, bus: Bus, topics: Iterable[Topic]) -> None:
        self.name = f"{consumer.name}.consumer"
        self.consumer = consumer
        self.bus = bus
        self.places = {topic: range(bus.partitions(topic.name)) for topic in topics}
        self._offsets: dict[tuple[str, int], int] = {}

    def step(self, stop: threading.Event) -> bool:
        """Apply a batch of every topic that has one; True when any had. Raises `Unavailable` and `Stopped`."""
        ends = self.bus.end_offsets()
        if not self._offsets:
            self._offsets = self.consumer.begin([self._partition(*place, ends) for place in self._all_places()])
        worked = False
        for topic, partitions in self.places.items():
            behind = [each for each in partitions if self._offsets[topic.name, each] < ends[topic.name, each]]
            if behind and not stop.is_set():
                self._step_topic(topic, behind)
                worked = True
        return worked

    def is_caught_up(self) -> bool:
        """Whether nothing on the bus is left to apply."""
        ends, applied = self.bus.end_offsets(), self.applied()
        return all(applied[place] == ends[place] for place in applied)

    def _partition(self, topic: Topic, number: int, ends: Mapping[tuple[str, int], int]) -> Partition:
        return Partition(
            topic=topic,
            number=number,
            topic_id=self.bus.topic_id(topic.name),
            first_offset=self.bus.first_offset(topic.name, number),
            end_offset=ends[topic.name, number],
        )

    def _step_topic(self, topic: Topic, behind: Sequence[int]) -> None:
        """Apply a batch of these partitions, an equal share of each."""
        share = max(1, BATCH // len(behind))
        offsets = {number: self._offsets[topic.name, number] for number in behind}
        read = [self.bus.read(topic.name, number, offset=offset, limit=share) for number, offset in offsets.items()]
        records = [record for part in read for record in part]
        if records:
            self.consumer.handle(topic, records, topic_id=self.bus.topic_id(topic.name))
            self._offsets.update({(topic.name, record.partition): record.offset + 1 for record in records})

    def applied(self) -> dict[tuple[str, int], int]:
        """Where each partition goes on, by topic and number: behind what is applied, else at its first record."""
        with self.consumer.database.reading() as connection:
            stored = stored_offsets(connection, self.consumer.name)
        places = [(topic.name, number) for topic, number in self._all_places()]
        return {place: stored[place] if place in stored else self.bus.first_offset(*place) for place in places}

    def _all_places(self) -> Iterator[tuple[Topic, int]]:
        return ((topic, number) for topic, partitions in self.places.items() for number in partitions)


def _by_partition(records: Iterable[Record]) -> dict[int, list[Record]]:
    parts: dict[int, list[Record]] = {}
    for record in records:
        parts.setdefault(record.partition, []).append(record)
    return parts


def stored_offsets(connection: sa.Connection, consumer: str) -> dict[tuple[str, int], int]:
    """Where a consumer goes on in each partition in which it ever was."""
    rows = connection.execute(sa.select(progress).where(progress.c.consumer == consumer))
    return {(row.topic, row.partition): row.next_offset for row in rows}


__all__ = ["Consumer", "ConsumerLoop", "Handler", "HandlerTable", "Stopped", "stored_offsets"]
