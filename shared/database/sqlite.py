"""SQLite: a file, one writer at a time.

Write-ahead log, `synchronous=FULL` (a power cut takes back no commit), `BEGIN IMMEDIATE`. The threads of one process
queue for their turn to write: SQLite itself would let them sleep and try again.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from shared.clock import Clock
from shared.database.dialect import BrokenReferences, NotText, Row
from shared.errors import EtmaError, StorageFull, Unavailable

BUSY_SECONDS = 30
"""How long one process waits for another that writes."""

_AWAY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")


class Sqlite:
    """See the module, and `shared.database.dialect.Dialect`."""

    locks_rows = False

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(
            url,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            pool_size=20,
            max_overflow=40,
            hide_parameters=True,  # the words of its errors go to logs and dead letters
        )
        sa.event.listen(self.engine, "connect", _prepare)
        sa.event.listen(self.engine, "begin", _begin)
        sa.event.listen(self.engine, "before_cursor_execute", _refuse_nul)
        self._turn = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        with self._turn, self.engine.connect() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    def write(self, connection: sa.Connection, statement: sa.Insert, rows: Sequence[Row]) -> sa.CursorResult[Any]:
        return connection.execute(statement, rows)

    @contextmanager
    def changing_tables(self) -> Iterator[sa.Connection]:
        with self._turn, self.engine.connect() as connection:
            _driver(connection).execute("PRAGMA foreign_keys=OFF")  # inside a transaction it would have no effect
            connection.detach()  # closed afterwards, not lent again
            with connection.begin():
                yield connection
                _check_references(connection)

    @contextmanager
    def holding(self, _what: str, numbers: Sequence[int], _at_most: int | None) -> Iterator[Sequence[int]]:
        yield numbers

    def changes(self, connection: sa.Connection) -> int:
        return _driver(connection).total_changes

    def failure_of(self, error: sa.exc.DBAPIError) -> EtmaError | None:
        code = getattr(error.orig, "sqlite_errorname", "")
        if code == "SQLITE_FULL":
            return StorageFull()
        return Unavailable(f"the database is not available ({code})") if code.startswith(_AWAY) else None

    def clock_drift(self, connection: sa.Connection, _clock: Clock) -> timedelta:
        """None: a file has no clock of its own. It is looked at, to see that it is there."""
        connection.execute(sa.select(1)).one()
        return timedelta(0)

    def clear_deleted(self) -> None:
        """Write the file anew, without what was deleted, and empty the write-ahead log, which has older pages."""
        with self._turn, self.engine.connect() as connection:
            driver = _driver(connection)
            try:
                driver.execute("VACUUM")
                (busy, *_) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError as error:
                raise Unavailable(f"the database cannot be cleared ({error.sqlite_errorname})") from error
        if busy:
            raise Unavailable("the database is read by somebody, and cannot be cleared")

    def tell(self) -> None:
        """SQLite tells nobody."""

    def listen(self, call: Callable[[], None]) -> None:
        """Nothing is told, so that nothing can be heard."""

    def close(self) -> None:
        self.engine.dispose()


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


def _refuse_nul(
    _connection: sa.Connection,
    _cursor: object,
    _statement: str,
    parameters: Any,  # noqa: ANN401 - the driver's
    _context: object,
    executemany: bool,  # noqa: FBT001 - as the event gives it
) -> None:
    """SQLite would keep what no other server keeps."""
    is_of_rows = executemany and isinstance(parameters[0], tuple)  # not so where many rows go in one statement
    for row in parameters if is_of_rows else (parameters,):
        if any(isinstance(value, str) and "\0" in value for value in row):
            raise NotText
