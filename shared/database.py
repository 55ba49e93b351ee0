"""One service's database: transactions that lock, publish and commit at the edge, and read-only snapshots for views."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from shared.clock import Clock
from shared.columns import UtcDateTime
from shared.contracts import Fact, fact_type
from shared.errors import EtmaError, Rejected, StorageFull, Unavailable
from shared.killpoints import kill_point
from shared.messaging.message import Message
from shared.messaging.tables import key_sequence, outbox

__all__ = ["SYSTEM", "Context", "Database", "Transaction", "UtcDateTime", "upsert"]

LARGEST_FACT_BYTES = 900_000

BUSY_SECONDS = 30
"""How long one process waits for another that writes."""


class FactTooLarge(Rejected):
    """A fact above what a broker carries; refused before it is written, so that no outbox row is poison."""

    code = "fact_too_large"


class BrokenReferences(EtmaError):
    """A change of tables would leave rows that refer to nothing; it was taken back."""

    code = "broken_references"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Who acts (`role:ref`) and why; written on every fact."""

    actor: str = "system"
    correlation_id: str = ""
    causation_id: str | None = None


SYSTEM = Context()


def upsert(
    table: sa.Table,
    *,
    key: Sequence[str],
    update: Sequence[str] | None = None,
    where: Any = None,  # noqa: ANN401 - SQL
) -> Any:  # noqa: ANN401 - both dialects' Insert
    """INSERT … ON CONFLICT(key) DO UPDATE of the named columns (None: all but the key; empty: DO NOTHING)."""
    names = [column.name for column in table.c if column.name not in key] if update is None else update
    if where is None:
        return _upsert(table, tuple(key), tuple(names))
    statement = insert(table)
    return statement.on_conflict_do_update(index_elements=list(key), set_=_changes_of(statement, names), where=where)


@cache
def _upsert(table: sa.Table, key: tuple[str, ...], names: tuple[str, ...]) -> Any:  # noqa: ANN401 - as above
    statement = insert(table)
    if not names:
        return statement.on_conflict_do_nothing(index_elements=list(key))
    return statement.on_conflict_do_update(index_elements=list(key), set_=_changes_of(statement, names))


def _changes_of(statement: Any, names: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {name: statement.excluded[name] for name in names}


class Transaction:
    """One unit of work. Nothing in it is seen by anybody before the edge commits."""

    def __init__(self, connection: sa.Connection, *, source: str, clock: Clock, context: Context) -> None:
        self.connection = connection
        self.source = source
        self.context = context
        self.now: datetime = clock.now()
        self.simulated = clock.simulated
        self._received: dict[int, Message] = {}
        self._cause_by_key: dict[str, Message] = {}
        self._latest_cause: Message | None = None
        self._after_commit: list[Callable[[], None]] = []

    def lock(self, *keys: str) -> None:
        """Take the row locks of `keys`, always in one order, so that two transactions cannot wait for each other.

        A second call waits too: of several kinds of keys, every use case takes one kind before the next.
        Nothing is to be done on SQLite, where `BEGIN IMMEDIATE` lets one transaction write at a time.
        """
        wanted = sorted(set(keys))
        if not wanted or self.connection.dialect.name == "sqlite":
            return
        self._keep(wanted)
        rows = sa.select(key_sequence.c.key).where(key_sequence.c.key.in_(wanted)).order_by(key_sequence.c.key)
        self.connection.execute(rows.with_for_update()).all()

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

    def publish_all(self, facts: Iterable[Fact], *, because: Fact | None = None) -> None:
        """Write the facts to the outbox, in order, each with the next number of its key.

        The cause of a fact is `because`, else the received fact of the same key, else the last received one.
        Raises `FactTooLarge`.
        """
        facts = list(facts)
        if not facts:
            return
        numbers = self._numbers([fact.key for fact in facts])
        rows = [self._row(fact, next(numbers[fact.key]), because) for fact in facts]
        self.connection.execute(sa.insert(outbox), rows)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` once the transaction is durable; never when it rolls back."""
        self._after_commit.append(call)

    def committed(self) -> None:
        """Run what waited for the commit; for the edge."""
        for call in self._after_commit:
            call()

    def _numbers(self, keys: Sequence[str]) -> dict[str, Iterator[int]]:
        counts = Counter(keys)
        self._keep(sorted(counts))
        reserve = (
            sa.update(key_sequence)
            .where(key_sequence.c.key == sa.bindparam("which"))
            .values(sequence=key_sequence.c.sequence + sa.bindparam("more"))
        )
        self.connection.execute(reserve, [{"which": key, "more": counts[key]} for key in sorted(counts)])
        ends = self._sequences(list(counts))
        return {key: iter(range(ends[key] - count + 1, ends[key] + 1)) for key, count in counts.items()}

    def _keep(self, keys: Sequence[str]) -> None:
        """See that each key has its row. It locks what is new and nothing that was there."""
        rows = [{"key": key, "sequence": 0} for key in keys]
        self.connection.execute(upsert(key_sequence, key=["key"], update=()), rows)

    def _sequences(self, keys: Sequence[str]) -> dict[str, int]:
        query = sa.select(key_sequence.c.key, key_sequence.c.sequence)
        found: dict[str, int] = {}
        for start in range(0, len(keys), 500):
            chosen = query.where(key_sequence.c.key.in_(keys[start : start + 500]))
            found.update((row.key, row.sequence) for row in self.connection.execute(chosen))
        return found

    def _row(self, fact: Fact, sequence: int, because: Fact | None) -> dict[str, object]:
        cause = self.message_of(because) if because else self._cause_by_key.get(fact.key, self._latest_cause)
        value = fact.model_dump_json().encode()
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
        }


class Database:
    """A service's own database.

    SQLite: write-ahead log, `synchronous=FULL` (a power cut takes back no commit), one writer at a time by
    `BEGIN IMMEDIATE`. `source` is the service's name; it stands on every fact that leaves here.
    The threads of one process queue for their turn to write: SQLite itself would let them sleep and try again.
    `commits` counts the commits of this process that changed something: it stands still while nothing moves.
    """

    def __init__(self, url: str, *, source: str, clock: Clock) -> None:
        self.source = source
        self.clock = clock
        self.commits = 0
        self.engine = sa.create_engine(
            url,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            pool_size=20,
            max_overflow=40,
            hide_parameters=True,  # the words of its errors go to logs and dead letters
        )
        sa.event.listen(self.engine, "connect", _prepare)
        sa.event.listen(self.engine, "begin", _begin)
        self._after_publish: list[Callable[[], None]] = []
        self._turn = threading.Lock()

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call `call` after every commit: the relay's hint that there may be something to move."""
        self._after_publish.append(call)

    @contextmanager
    def transaction(self, context: Context = SYSTEM) -> Iterator[Transaction]:
        """A read-write transaction: committed at the end of the block, rolled back when it raises.

        A database that is away raises `Unavailable`, a full disk `StorageFull`.
        """
        with _vendor_errors(), self._turn, self.engine.connect() as connection, connection.begin() as begun:
            changes = _changes(connection)
            tx = Transaction(connection, source=self.source, clock=self.clock, context=context)
            yield tx
            changed = _changes(connection) != changes
            kill_point(f"{self.source}.before_commit")
            begun.commit()
        kill_point(f"{self.source}.committed")
        tx.committed()
        if changed:
            self.commits += 1
            for call in self._after_publish:
                call()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A read-only snapshot; it never waits for a writer and never makes one wait."""
        with _vendor_errors(), self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    @contextmanager
    def changing_tables(self) -> Iterator[sa.Connection]:
        """A transaction that makes, rebuilds and drops tables: all of it or nothing; a second process waits for it.

        References are checked at its end and not before: while a table is rebuilt, what refers to it has nothing to
        refer to. Raises `BrokenReferences`.
        """
        with _vendor_errors(), self._turn, self.engine.connect() as connection:
            _driver(connection).execute("PRAGMA foreign_keys=OFF")  # inside a transaction it would have no effect
            connection.detach()  # closed afterwards, not lent again
            with connection.begin():
                yield connection
                _check_references(connection)

    def clock_drift(self) -> timedelta:
        """How far the machine's clock is ahead of the database's; a database in a file has no other clock."""
        with self.reading() as connection:
            connection.execute(sa.select(1)).one()
        return timedelta(0)

    def close(self) -> None:
        self.engine.dispose()


def _changes(connection: sa.Connection) -> int:
    """How many rows this connection ever changed: a transaction that changed none wakes nobody."""
    return _driver(connection).total_changes


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def _check_references(connection: sa.Connection) -> None:
    broken = {row.table for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
    if broken:
        detail = f"rows of {', '.join(sorted(broken))} would refer to what is not there"
        raise BrokenReferences(detail)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    _use_write_ahead_log(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file over, once and for all.

    Processes that open a new file at once fail in this or wait for one another, so each lets go soon and tries again.
    """
    connection.execute("PRAGMA busy_timeout=100")
    deadline = time.monotonic() + BUSY_SECONDS
    while not _has_write_ahead_log(connection):
        if time.monotonic() > deadline:
            detail = "the database cannot be switched to a write-ahead log"
            raise Unavailable(detail)
        time.sleep(0.01)


def _has_write_ahead_log(connection: sqlite3.Connection) -> bool:
    try:
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise
        return False
    return bool(mode == "wal")


def _begin(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def _vendor_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        code = getattr(error.orig, "sqlite_errorname", "")
        if code == "SQLITE_FULL":
            raise StorageFull from error
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
            detail = f"the database is not available ({code})"
            raise Unavailable(detail) from error
        raise
