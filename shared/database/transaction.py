"""A transaction: it locks keys, changes tables and publishes facts, all of it or nothing."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.clock import Clock
from shared.contracts import Fact, fact_type
from shared.database.dialect import LOCKS_ONLY, Dialect, Row
from shared.errors import Rejected
from shared.messaging.message import Message
from shared.messaging.shards import shard_of
from shared.messaging.tables import key_sequence, outbox

LARGEST_FACT_BYTES = 900_000


class FactTooLarge(Rejected):
    """A fact above what a broker carries; refused before it is written, so that no outbox row is poison."""

    code = "fact_too_large"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Who acts (`role:ref`) and why; written on every fact."""

    actor: str = "system"
    correlation_id: str = ""
    causation_id: str | None = None


SYSTEM = Context()


@cache
def insertion(table: sa.Table) -> sa.Insert:
    """INSERT of whole rows; always the same statement for a table, so that what is made of it once serves again."""
    return sa.insert(table)


def upsert(
    table: sa.Table,
    *,
    key: Sequence[str],
    update: Sequence[str] | None = None,
    where: Any = None,  # noqa: ANN401 - SQL
) -> Any:  # noqa: ANN401 - both dialects' Insert
    """INSERT … ON CONFLICT(key) DO UPDATE of the named columns (None: all but the key; empty: DO NOTHING).

    PostgreSQL's construct serves both: SQLite took the clause from there, and its compiler reads the same parts.
    `rowcount` of the result tells how many rows it made or changed.
    """
    names = [column.name for column in table.c if column.name not in key] if update is None else update
    if where is None:
        return _upsert(table, tuple(key), tuple(names))
    statement = _insert(table)
    return statement.on_conflict_do_update(index_elements=list(key), set_=_changes_of(statement, names), where=where)


@cache
def _upsert(table: sa.Table, key: tuple[str, ...], names: tuple[str, ...]) -> Any:  # noqa: ANN401 - as above
    statement = _insert(table)
    if not names:
        return statement.on_conflict_do_nothing(index_elements=list(key))
    return statement.on_conflict_do_update(index_elements=list(key), set_=_changes_of(statement, names))


def _insert(table: sa.Table) -> Any:  # noqa: ANN401 - as above
    """One that fetches no values that were generated, and keeps the count of its rows."""
    return insert(table).inline().execution_options(preserve_rowcount=True)


def _by_key(change: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as above
    """Makes the rows of keys that have none, and changes the sequence of those that have; either locks them."""
    statement = _insert(key_sequence)
    return statement.on_conflict_do_update(index_elements=["key"], set_={"sequence": change(statement.excluded)})


_HELD = _by_key(lambda _: key_sequence.c.sequence).execution_options(**{LOCKS_ONLY: True})
_RESERVED = _by_key(lambda new: key_sequence.c.sequence + new.sequence).returning(
    key_sequence.c.key, key_sequence.c.sequence
)


def _changes_of(statement: Any, names: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {name: statement.excluded[name] for name in names}


class Transaction:
    """One unit of work. Nothing in it is seen by anybody before the edge commits."""

    def __init__(
        self, connection: sa.Connection, *, source: str, clock: Clock, context: Context, dialect: Dialect
    ) -> None:
        self.connection = connection
        self.source = source
        self.context = context
        self._clock = clock
        self.dialect = dialect
        self.now: datetime = clock.now()
        self.simulated = clock.simulated
        self._received: dict[int, Message] = {}
        self._cause_by_key: dict[str, Message] = {}
        self._latest_cause: Message | None = None
        self._after_commit: list[Callable[[], None]] = []

    def write(self, statement: sa.Insert, rows: Sequence[Row]) -> Sequence[sa.Row[Any]]:
        """Insert the rows, in their order; returns the rows of the statement's RETURNING, if it has one.

        All rows have the same columns (else `ValueError`), and no two of them the same key. Nothing is done for none.
        """
        if not rows:
            return ()
        if any(row.keys() != rows[0].keys() for row in rows):
            message = f"rows of {statement.table.name} that have not the same columns"
            raise ValueError(message)
        result = self.dialect.write(self.connection, statement, rows)
        return result.all() if result.returns_rows else ()

    def lock(self, *keys: str) -> None:
        """Take the row locks of `keys`, always in one order, so that two transactions cannot wait for each other.

        A second call waits too: of several kinds of keys, every use case takes one kind before the next.
        `now` is the moment at which the wait was over: who comes later to a key has the later moment.
        Nothing is to be done on SQLite, where `BEGIN IMMEDIATE` lets one transaction write at a time.
        """
        wanted = sorted(set(keys))
        if not wanted or not self.dialect.locks_rows:
            return
        self.write(_HELD, [{"key": key, "sequence": 0} for key in wanted])
        self.now = self._clock.now()

    def receive(self, messages: Mapping[int, Message]) -> None:
        """Remember the envelopes of the facts of a run, by `id(fact)`; for the consumer."""
        self._received = dict(messages)
        self._cause_by_key = {message.key: message for message in messages.values()}
        self._latest_cause = list(messages.values())[-1] if messages else None

    def message_of(self, fact: Fact) -> Message:
        """The envelope of a received fact; `KeyError` for a fact that this transaction did not receive."""
        return self._received[id(fact)]

    def publish(self, *facts: Fact) -> None:
        """See `publish_all`."""
        self.publish_all(facts)

    def publish_all(self, facts: Iterable[Fact]) -> None:
        """Write the facts to the outbox, in order, each with the next number of its key.

        The cause of a fact is the received fact of the same key, else the last received one. Raises `FactTooLarge`.
        """
        self.publish_each((fact, None) for fact in facts)

    def publish_each(self, facts: Iterable[tuple[Fact, Fact | None]]) -> None:
        """The same for facts that each come with their cause, a received fact."""
        facts = list(facts)
        if not facts:
            return
        numbers = self._numbers([fact.key for fact, _ in facts])
        rows = [self._row(fact, next(numbers[fact.key]), because) for fact, because in facts]
        self.write(insertion(outbox), rows)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` once the transaction is durable; never when it rolls back."""
        self._after_commit.append(call)

    def committed(self) -> None:
        """Run what waited for the commit; for the edge."""
        for call in self._after_commit:
            call()

    def _numbers(self, keys: Sequence[str]) -> dict[str, Iterator[int]]:
        counts = Counter(keys)
        rows = [{"key": key, "sequence": counts[key]} for key in sorted(counts)]
        ends = {row.key: row.sequence for row in self.write(_RESERVED, rows)}
        return {key: iter(range(ends[key] - count + 1, ends[key] + 1)) for key, count in counts.items()}

    def _row(self, fact: Fact, sequence: int, because: Fact | None) -> dict[str, object]:
        cause = self.message_of(because) if because else self._cause_by_key.get(fact.key, self._latest_cause)
        value = fact.value()
        if len(value) > LARGEST_FACT_BYTES:
            detail = f"{type(fact).__name__} {fact.key} has {len(value)} bytes"
            raise FactTooLarge(detail)
        message = Message(
            id=str(uuid.uuid4()),
            type=fact_type(type(fact)),
            source=self.source,
            topic=fact.topic.name,
            key=fact.key,
            time=self.now,
            sequence=sequence,
            correlation_id=(cause.correlation_id if cause else self.context.correlation_id) or str(uuid.uuid4()),
            causation_id=cause.id if cause else self.context.causation_id,
            actor=self.context.actor,
            value=value,
        )
        return {
            "ce_id": message.id,
            "type": message.type,
            "topic": message.topic,
            "key": message.key,
            "headers": message.headers(),
            "value": value,
            "recorded_at": self.now,
            "shard": shard_of(message.key),
        }
