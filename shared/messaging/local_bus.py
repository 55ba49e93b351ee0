"""The bus in one SQLite file, for the embedded system: no server, the same promises.

Offsets are contiguous from 0 in each partition. A message whose id the log already holds is not appended again.
It is for one machine; it keeps no consumer groups, because consumers keep their own progress.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from shared.clock import Clock
from shared.columns import UtcDateTime
from shared.contracts import TOPICS, Topic
from shared.database import Database, Transaction, insertion, upsert
from shared.housekeeping import STEP_ROWS
from shared.killpoints import kill_point
from shared.messaging.bus import Record, partition_of
from shared.messaging.message import Message
from shared.messaging.tables import RETAINED
from shared.migrations.history import History
from shared.migrations.migrate import migrate
from shared.settings import path_in

metadata = sa.MetaData()

HISTORY = History(Path(__file__).parent / "migrations" / "local_bus")

topic_table = sa.Table(
    "topic",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("topic_id", sa.Text, nullable=False),
    sa.Column("partitions", sa.Integer, nullable=False),
)

log = sa.Table(
    "log",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("ce_id", sa.Text, nullable=False, unique=True),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("appended_at", UtcDateTime, nullable=False, index=True),
    sa.Index("log_of_key", "topic", "partition", "key", "offset"),
)
_is_tombstone = sa.func.length(log.c.value) == sa.text("0")
sa.Index("log_tombstone", log.c.topic, log.c.partition, log.c.key, sqlite_where=_is_tombstone)

end = sa.Table(
    "log_end",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
)

PARTITIONS = 2


class LocalBus:
    """See the module."""

    def __init__(self, url: str, *, clock: Clock, topics: Sequence[str]) -> None:
        self.database = Database(url, source="bus", clock=clock)
        self._listeners: list[Callable[[], None]] = []
        self._cleared = False
        migrate(self.database, [HISTORY])
        with self.database.transaction() as tx:
            rows = [{"name": name, "topic_id": str(uuid.uuid4()), "partitions": PARTITIONS} for name in topics]
            tx.write(upsert(topic_table, key=["name"], update=()), rows)
            ends = [
                {"topic": name, "partition": part, "next_offset": 0} for name in topics for part in range(PARTITIONS)
            ]
            tx.write(upsert(end, key=["topic", "partition"], update=()), ends)
        with self.database.reading() as connection:
            self._topics = {row.name: row for row in connection.execute(sa.select(topic_table))}

    @classmethod
    def from_url(cls, url: str, *, clock: Clock) -> LocalBus:
        """The bus of `local:///PATH`, with every topic of the contracts."""
        return cls(f"sqlite:///{path_in(url)}", clock=clock, topics=list(TOPICS))

    def on_append(self, call: Callable[[], None]) -> None:
        """Call `call` after each append: a consumer's hint, never its truth."""
        self._listeners.append(call)

    def append(self, messages: Sequence[Message]) -> None:
        with self.database.transaction() as tx:
            known = set(self._known(tx.connection, [message.id for message in messages]))
            before = _ends(tx.connection)
            ends = dict(before)
            rows = list(self._rows(messages, known, ends))
            if rows:
                tx.write(insertion(log), [row | {"appended_at": tx.now} for row in rows])
                moved = [
                    {"topic": t, "partition": p, "next_offset": n} for (t, p), n in ends.items() if n > before[t, p]
                ]
                tx.write(upsert(end, key=["topic", "partition"], update=["next_offset"]), moved)
        kill_point("bus.appended")
        for call in self._listeners:
            call()

    def _known(self, connection: sa.Connection, ids: Sequence[str]) -> Iterator[str]:
        for start in range(0, len(ids), 500):
            yield from connection.execute(
                sa.select(log.c.ce_id).where(log.c.ce_id.in_(ids[start : start + 500]))
            ).scalars()

    def _rows(
        self, messages: Sequence[Message], known: set[str], ends: dict[tuple[str, int], int]
    ) -> Iterator[dict[str, object]]:
        for message in messages:
            if message.id in known:
                continue
            known.add(message.id)
            partition = partition_of(message.key, self.partitions(message.topic))
            offset = ends[message.topic, partition]
            ends[message.topic, partition] = offset + 1
            yield {
                "topic": message.topic,
                "partition": partition,
                "offset": offset,
                "key": message.key,
                "ce_id": message.id,
                "headers": message.headers(),
                "value": message.value,
            }

    def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[Record]:
        query = (
            sa.select(log)
            .where(log.c.topic == topic, log.c.partition == partition, log.c.offset >= offset)
            .order_by(log.c.offset)
            .limit(limit)
        )
        with self.database.reading() as connection:
            return [
                Record(
                    topic=row.topic,
                    partition=row.partition,
                    offset=row.offset,
                    key=row.key,
                    headers=row.headers,
                    value=row.value,
                )
                for row in connection.execute(query)
            ]

    def prune(self, topic: Topic, partition: int, *, below: int) -> int:
        """Delete a step of what was appended more than seven days ago under offset `below`; returns how many.

        A compacted topic keeps the last message of every key.
        """
        later = log.alias()
        superseded = (
            sa.exists()
            .where(later.c.topic == log.c.topic, later.c.partition == log.c.partition)
            .where(later.c.key == log.c.key, later.c.offset > log.c.offset)
        )
        with self.database.transaction() as tx:
            old = [
                log.c.topic == topic.name,
                log.c.partition == partition,
                log.c.offset < below,
                log.c.appended_at < tx.now - RETAINED,
                *([superseded] if topic.offsets == "increasing" else []),
            ]
            offsets = sa.select(log.c.offset).where(*old).order_by(log.c.offset).limit(STEP_ROWS)
            place = (log.c.topic == topic.name, log.c.partition == partition)
            return tx.connection.execute(sa.delete(log).where(*place, log.c.offset.in_(offsets))).rowcount

    def forget_erased(self, read: Mapping[tuple[str, int], int]) -> int:
        """Delete what compacted topics have of keys that a later tombstone erased; returns how many.

        `read` says of each partition under which offset everybody has read. What is deleted is gone from the file as
        well when this returns; after a kill in between, the next process sees to it.
        """
        with self.database.transaction() as tx:
            stones = tx.connection.execute(
                sa.select(log.c.topic, log.c.partition, log.c.key).where(_is_tombstone)
            ).all()
            deleted = sum(
                self._delete_erased(stone, read.get((stone.topic, stone.partition), 0), tx) for stone in stones
            )
        kill_point("bus.erased")
        if deleted or (stones and not self._cleared):
            self.database.clear_deleted()
            self._cleared = True
        return deleted

    def _delete_erased(self, stone: Any, below: int, tx: Transaction) -> int:  # noqa: ANN401 - a row
        """What stands before the last tombstone of a key."""
        of_key = (log.c.topic == stone.topic, log.c.partition == stone.partition, log.c.key == stone.key)
        last = sa.select(sa.func.max(log.c.offset)).where(*of_key, _is_tombstone)
        end = tx.connection.execute(last).scalar_one()
        return tx.connection.execute(sa.delete(log).where(*of_key, log.c.offset < min(end, below))).rowcount

    def partitions(self, topic: str) -> int:
        return int(self._topics[topic].partitions)

    def topic_id(self, topic: str) -> str:
        return str(self._topics[topic].topic_id)

    def first_offset(self, topic: str, partition: int) -> int:
        query = sa.select(sa.func.min(log.c.offset)).where(log.c.topic == topic, log.c.partition == partition)
        with self.database.reading() as connection:
            first = connection.execute(query).scalar()
            return _ends(connection)[topic, partition] if first is None else int(first)

    def end_offsets(self) -> Mapping[tuple[str, int], int]:
        with self.database.reading() as connection:
            return _ends(connection)

    def close(self) -> None:
        self.database.close()


def _ends(connection: sa.Connection) -> dict[tuple[str, int], int]:
    return {(row.topic, row.partition): row.next_offset for row in connection.execute(sa.select(end))}
