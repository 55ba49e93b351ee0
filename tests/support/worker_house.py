"""A topic of a real broker and a worker on it, whose handler writes one effect for each fact."""

from __future__ import annotations

import gc
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from shared.contracts import Fact, SubmissionReceived, Topic, fact_type
from shared.database import Database, Transaction
from shared.errors import Unavailable
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.faust_worker import FaustWorker
from shared.messaging.kafka_bus import KafkaBus, servers_in
from shared.messaging.message import Message
from tests.integration.operations_house import NOON, received
from tests.support.pipe import effects

SECONDS = 60
SERVICE = f"house{secrets.token_hex(3)}"
"""None of ours, and another one in each process: its workers would be in one group with others on the same broker."""
WORKER = f"{SERVICE}.worker"


def a_topic(*, compacted: bool = False) -> Topic:
    return Topic(name=f"etma.test.{secrets.token_hex(6)}", producer="tests", compacted=compacted)


@dataclass
class WorkerHouse:
    """One service's consumer. `trouble` says what befalls a fact; effects show double what was applied twice."""

    url: str
    topic: Topic
    database: Database
    trouble: Callable[[Fact], Exception | None] = lambda _fact: None
    limit: int = 20
    workers: list[FaustWorker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = KafkaBus(servers_in(self.url), [self.topic.name])

    def send(self, *facts: Fact) -> None:
        self.bus.append([message_of(fact, self.topic) for fact in facts])

    def send_for_certain(self, *facts: Fact) -> None:
        """As a relay does: the same messages again until the bus has taken them."""
        messages = [message_of(fact, self.topic) for fact in facts]
        while True:
            try:
                return self.bus.append(messages)
            except Unavailable:
                time.sleep(0.2)

    def consumer(self) -> Consumer:
        return Consumer(database=self.database, handlers={SubmissionReceived: self._handle}, limit=self.limit)

    def _handle(self, facts: Sequence[SubmissionReceived], tx: Transaction) -> None:
        rows = [{"kind": type(fact).__name__, "work_id": fact.key, "version": fact.version} for fact in facts]
        tx.connection.execute(sa.insert(effects), rows)
        for fact in facts:
            error = self.trouble(fact)
            if error:
                raise error

    @contextmanager
    def worker(self) -> Iterator[FaustWorker]:
        """A worker that runs, also when it is not well; stopped at the end."""
        worker = FaustWorker.from_url(self.url, consumer=self.consumer(), topics=[self.topic])
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()
            assert worker.join(2 * SECONDS)

    def effects(self) -> list[tuple[str, int]]:
        with self.database.reading() as connection:
            return [(row.work_id, row.version) for row in connection.execute(sa.select(effects))]

    def versions_of_each(self) -> dict[str, list[int]]:
        """In the order of their effects, by work."""
        found: dict[str, list[int]] = {}
        for work_id, version in self.effects():
            found.setdefault(work_id, []).append(version)
        return found

    def letters(self) -> DeadLetters:
        return DeadLetters(self.database, self.consumer())

    def close(self) -> None:
        self.bus.close()
        gc.collect()  # connections that aiokafka did not close in time; they would end with the process


def message_of(fact: Fact, topic: Topic) -> Message:
    return Message(
        id=str(uuid.uuid4()),
        type=fact_type(type(fact)),
        source="tests",
        topic=topic.name,
        key=fact.key,
        time=NOON,
        sequence=1,
        correlation_id="c",
        causation_id=None,
        actor="system",
        value=fact.model_dump_json().encode(),
    )


def versions(works: Sequence[str], upto: int) -> list[SubmissionReceived]:
    """Versions 1 to `upto` of each work, in the order in which they come to be."""
    return [received(work, version=number) for number in range(1, upto + 1) for work in works]


def wait_until(is_so: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
