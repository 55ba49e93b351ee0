"""A service's own database, on any server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import sqlalchemy as sa

from shared.clock import Clock
from shared.database.dialect import Dialect, vendor_errors
from shared.database.sqlite import Sqlite
from shared.database.transaction import SYSTEM, Context, Transaction
from shared.killpoints import kill_point


class Database:
    """A service's own database. `source` is the service's name; it stands on every fact that leaves here.

    `commits` counts the commits of this process that changed something: it stands still while nothing moves.
    """

    def __init__(self, url: str, *, source: str, clock: Clock) -> None:
        self.source = source
        self.clock = clock
        self.commits = 0
        self._dialect = _dialect(url, source)
        self.engine = self._dialect.engine
        self._after_commit: list[Callable[[], None]] = []

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call `call` after every commit that changed something: a hint that there may be something to do.

        Also after those of other processes, where the server can tell of them.
        """
        self._after_commit.append(call)
        self._dialect.listen(call)

    @contextmanager
    def transaction(self, context: Context = SYSTEM) -> Iterator[Transaction]:
        """A read-write transaction: committed at the end of the block, rolled back when it raises.

        A database that is away raises `Unavailable`, a full disk `StorageFull`.
        """
        with self._our_errors(), self._dialect.writing() as connection:
            changes = self._dialect.changes(connection)
            tx = Transaction(
                connection,
                source=self.source,
                clock=self.clock,
                context=context,
                dialect=self._dialect,
            )
            yield tx
            changed = self._dialect.changes(connection) != changes
            kill_point(f"{self.source}.before_commit")
            connection.commit()
        kill_point(f"{self.source}.committed")
        tx.committed()
        if changed:
            self.commits += 1
            for call in self._after_commit:
                call()
            self._dialect.tell()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A read-only snapshot; it never waits for a writer and never makes one wait."""
        with self._our_errors(), self._dialect.reading() as connection:
            yield connection

    @contextmanager
    def changing_tables(self) -> Iterator[sa.Connection]:
        """A transaction that makes, rebuilds and drops tables: all of it or nothing; a second process waits for it.

        References are checked at its end and not before: while a table is rebuilt, what refers to it has nothing to
        refer to. Raises `BrokenReferences`.
        """
        with self._our_errors(), self._dialect.changing_tables() as connection:
            yield connection

    @contextmanager
    def holding(self, what: str, numbers: Sequence[int], *, at_most: int | None = None) -> Iterator[Sequence[int]]:
        """The first of the numbers that no other process holds; this one holds them until the end of the block.

        A process that does nothing for too long loses them. On SQLite nobody else is asked: all are free, and none
        is left to others.
        """
        with self._our_errors(), self._dialect.holding(what, numbers, at_most) as held:
            yield held

    def clock_drift(self) -> timedelta:
        """How far this machine's clock is ahead of the database's; raises `Unavailable`."""
        with self.reading() as connection:
            return self._dialect.clock_drift(connection, self.clock)

    def clear_deleted(self) -> None:
        """Have nothing left in the database's files of what was deleted or changed; raises `Unavailable`.

        It takes as long as to copy the database, and nobody writes meanwhile. A server does it by itself, in its time.
        """
        with self._our_errors():
            self._dialect.clear_deleted()

    def close(self) -> None:
        self._dialect.close()

    def _our_errors(self) -> AbstractContextManager[None]:
        return vendor_errors(self._dialect.failure_of)


def _dialect(url: str, source: str) -> Dialect:
    if sa.make_url(url).get_backend_name() == "sqlite":
        return Sqlite(url)
    from shared.database.postgresql import PostgreSql  # noqa: PLC0415 - the embedded system has no driver for it

    return PostgreSql(url, source)
