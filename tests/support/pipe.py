"""A producer, a bus and a consumer with one table of effects: the shape of every service, in a temporary folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from shared.contracts import MARKING, SUBMISSION, Fact, Topic
from shared.database import Transaction
from shared.messaging.bus import Record
from shared.messaging.consumer import Consumer, ConsumerLoop
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.local_bus import LocalBus
from shared.messaging.relay import Relay
from shared.messaging.tables import outbox
from tests.integration.operations_house import collected, received
from tests.support.databases import ManualClock, make_database

effects_metadata = sa.MetaData()
effects = sa.Table(
    "effect",
    effects_metadata,
    sa.Column("kind", sa.Text),
    sa.Column("work_id", sa.Text),
    sa.Column("version", sa.Integer),
)
STOP = threading.Event()
TOPICS = (SUBMISSION, MARKING)


@dataclass
class Pipe:
    """A producer, a bus and a consumer whose handler writes an effect, or fails as it is told."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    trouble: Callable[[Fact], Exception | None] = lambda _fact: None
    runs: list[int] = field(default_factory=list)
    limit: int = 3

    def __post_init__(self) -> None:
        self.producer = make_database(sa.MetaData(), self.folder, "submission", self.clock)
        self.reader = make_database(effects_metadata, self.folder, "marking", self.clock)
        self.open_bus()

    def open_bus(self) -> None:
        """Everything that holds the bus, as after a start."""
        self.bus = LocalBus(
            f"sqlite:///{self.folder / 'bus.db'}", clock=self.clock, topics=[topic.name for topic in TOPICS]
        )
        self.relay = Relay(self.producer, self.bus)
        self.start()

    def start(self) -> None:
        """A consumer without memory, as after a crash."""
        handlers = {type(received()): self.handle, type(collected()): self.handle}
        self.consumer = Consumer(database=self.reader, handlers=handlers, limit=self.limit)
        self.letters = DeadLetters(self.reader, self.consumer)

    def handle(self, facts: Sequence[Fact], tx: Transaction) -> None:
        self.runs.append(len(facts))
        rows = [
            {"kind": type(fact).__name__, "work_id": fact.key, "version": fact.model_dump()["version"]}
            for fact in facts
        ]
        tx.connection.execute(sa.insert(effects), rows)
        for fact in facts:
            error = self.trouble(fact)
            if error:
                raise error

    def publish(self, *facts: Fact) -> None:
        with self.producer.transaction() as tx:
            tx.publish_all(facts)

    def publish_and_fail(self, fact: Fact) -> None:
        with self.producer.transaction() as tx:
            tx.publish(fact)
            raise RuntimeError

    def relay_all(self) -> None:
        while self.relay.step(STOP):
            pass

    def consume_all(self) -> None:
        loop = ConsumerLoop(self.consumer, self.bus, TOPICS)
        while loop.step(STOP):
            pass

    def flow(self) -> None:
        self.relay_all()
        self.consume_all()

    def effects(self) -> list[tuple[str, int]]:
        with self.reader.reading() as connection:
            return [(row.work_id, row.version) for row in connection.execute(sa.select(effects))]

    def kinds_of_effects(self) -> list[tuple[str, str, int]]:
        with self.reader.reading() as connection:
            return [(row.kind, row.work_id, row.version) for row in connection.execute(sa.select(effects))]

    def records(self, *facts: Fact) -> list[Record]:
        """The facts as records of one partition, from offset 0."""
        self.publish(*facts)
        with self.producer.reading() as connection:
            rows = connection.execute(sa.select(outbox).order_by(outbox.c.position)).all()
        return [
            Record(topic=r.topic, partition=0, offset=n, key=r.key, headers=r.headers, value=r.value)
            for n, r in enumerate(rows)
        ]

    def handle_records(self, records: Sequence[Record], *, topic: Topic = SUBMISSION, topic_id: str = "t") -> None:
        self.consumer.handle(topic, records, topic_id=topic_id)
