"""PostgreSQL: a server for many processes, by psycopg 3.

Writers run at READ COMMITTED and take the row locks that they need; readers at REPEATABLE READ, read only, so that what
they see is of one moment. Everything has an end: a frozen process loses its locks, and nobody waits for it for ever.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy as sa
import structlog

from shared.clock import Clock
from shared.columns import checked_moment
from shared.database.dialect import LOCKS_ONLY, NotText, Row
from shared.errors import EtmaError, StorageFull, Unavailable

CONNECT_SECONDS = 3
LOCK_SECONDS = 10
"""How long a transaction waits for another's rows: longer than any of ours takes, shorter than a person waits."""
STATEMENT_SECONDS = 30
IDLE_SECONDS = 30
"""How long a transaction may do nothing: a relay waits so long for the broker, a frozen process loses its locks."""
MIGRATION_SECONDS = 900
POOL, POOL_SECONDS = 15, 10
"""Connections of a process, each made when it is first needed, and kept; how long one is waited for."""
TELL_SECONDS = 0.01
"""The least time between two tellings: a NOTIFY holds a lock of the whole server while it commits."""
RECONNECT_SECONDS = 1.0
MANY = 5
"""From so many rows on it pays to make one statement of them."""
LARGE = 4 * 2**20
"""Rows of so many bytes are sent one by one: as one text, hundreds of megabytes, they meet the statement's end."""
CHANNEL = "etma_commit"

_SETTINGS = {
    "lock_timeout": f"{LOCK_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "synchronous_commit": "on",
}

_ROWS = "rows_in_json"
_FULL = "53100"
_NUL_IN_JSON = "22P05"
_AWAY_CLASSES = ("08", "53", "57", "58")
"""Connection exceptions, insufficient resources, operator intervention (a timeout is one), errors of the system."""
_AWAY = frozenset(
    {
        "25006",  # read only: a standby, or a server that is full; psycopg calls it an internal error
        "25P03",  # idle in transaction for too long
        "25P04",  # transaction timeout
        "28000",  # this user may not come in, or
        "28P01",  # the password is refused: to be mended outside
        "3D000",  # the database is not there
        "40001",  # could not be serialised
        "40P01",  # deadlock
        "55P03",  # somebody else holds the lock
    }
)


class PostgreSql:
    """See the module, and `shared.database.dialect.Dialect`."""

    locks_rows = True

    def __init__(self, url: str, source: str) -> None:
        self._url = sa.make_url(url)
        self._source = source
        self.engine = sa.create_engine(
            self._url,
            connect_args=self._arguments(_SETTINGS),
            pool_size=POOL,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,  # a server that was restarted costs nobody a failure
            isolation_level="READ COMMITTED",
            hide_parameters=True,  # the words of its errors go to logs and dead letters
        )
        sa.event.listen(self.engine, "after_cursor_execute", _count_changes)
        sa.event.listen(self.engine, "handle_error", _leave_out_details)
        self._snapshots = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._bell = Bell(lambda settings: psycopg.connect(self._conninfo(), **self._arguments(settings)))

    def _arguments(self, settings: dict[str, str]) -> dict[str, Any]:
        return {
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "application_name": f"etma-{self._source}",
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }

    def _conninfo(self) -> str:
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self._snapshots.connect() as connection:
            yield connection
            connection.commit()  # after a rollback psycopg forgets the statements that it has prepared

    def write(self, connection: sa.Connection, statement: sa.Insert, rows: Sequence[Row]) -> sa.CursorResult[Any]:
        """A statement for all rows, which travel as one JSON text: one for each row costs a multiple of it."""
        if len(rows) < MANY or _size(rows) > LARGE:
            return connection.execute(statement, rows)
        text = json.dumps(rows, ensure_ascii=False, default=_in_json)
        return connection.execute(_of_json(statement, tuple(rows[0])), {_ROWS: text})

    @contextmanager
    def changing_tables(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{MIGRATION_SECONDS}s'")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{MIGRATION_SECONDS}s'")
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_number_of("tables"))))
            yield connection

    @contextmanager
    def holding(self, what: str, numbers: Sequence[int], at_most: int | None) -> Iterator[Sequence[int]]:
        wanted = sa.func.unnest(sa.cast(list(numbers), sa.ARRAY(sa.Integer))).table_valued("number").render_derived()
        number = wanted.c.number
        is_free = sa.func.pg_try_advisory_xact_lock(_number_of(what), sa.cast(number, sa.Integer))
        with self.engine.begin() as connection:
            yield list(connection.execute(sa.select(number).where(is_free).limit(at_most)).scalars())

    def changes(self, connection: sa.Connection) -> int:
        return int(connection.info.get("changes", 0))

    def failure_of(self, error: sa.exc.DBAPIError) -> EtmaError | None:
        state = getattr(error.orig, "sqlstate", None)
        if state == _FULL:
            return StorageFull()
        if state == _NUL_IN_JSON or (isinstance(error, sa.exc.DataError) and "NUL" in str(error.orig)):
            return NotText()
        lost = error.connection_invalidated or (state is None and isinstance(error, sa.exc.OperationalError))
        if lost or (state and (state.startswith(_AWAY_CLASSES) or state in _AWAY)):
            return Unavailable(f"the database is not available ({state or 'no connection'})")
        return None

    def clock_drift(self, connection: sa.Connection, clock: Clock) -> timedelta:
        before = clock.now()
        there = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        after = clock.now()
        return timedelta(0) if clock.simulated else before + (after - before) / 2 - there

    def clear_deleted(self) -> None:
        """Left to the server's vacuum: nobody can read what was deleted, and it is overwritten in time."""

    def tell(self) -> None:
        self._bell.ring()

    def listen(self, call: Callable[[], None]) -> None:
        self._bell.listen(call)

    def close(self) -> None:
        self._bell.close()
        self.engine.dispose()


Connect = Callable[[dict[str, str]], "psycopg.Connection[Any]"]


class Bell:
    """Tells the other processes on a database of commits, and hears of theirs, by NOTIFY and LISTEN.

    In threads and on connections of its own, beside the transactions: within them, NOTIFY would let only one commit at
    a time. A ring may be late or lost; whoever listens looks for itself from time to time.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._me = secrets.token_hex(8)
        self._calls: list[Callable[[], None]] = []
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._starting = threading.Lock()

    def ring(self) -> None:
        self._rung.set()
        self._start("bell.ring", self._ring_on)

    def listen(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        self._start("bell.listen", self._hear_from)

    def close(self) -> None:
        self._closed.set()
        self._rung.set()

    def _start(self, name: str, work: Callable[[psycopg.Connection[Any]], None]) -> None:
        if name in self._threads:
            return
        with self._starting:
            if name not in self._threads:
                self._threads[name] = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
                self._threads[name].start()

    def _run(self, work: Callable[[psycopg.Connection[Any]], None]) -> None:
        while not self._closed.is_set():
            try:
                with self._connect({"synchronous_commit": "off"}) as connection:
                    connection.autocommit = True
                    work(connection)
            except psycopg.Error as error:
                log.info("bell.silent", reason=type(error).__name__)
                self._closed.wait(RECONNECT_SECONDS)

    def _ring_on(self, connection: psycopg.Connection[Any]) -> None:
        while not self._closed.is_set():
            self._rung.wait()
            self._rung.clear()
            connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self._me))
            time.sleep(TELL_SECONDS)

    def _hear_from(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        while not self._closed.is_set():
            heard = [note.payload for note in connection.notifies(timeout=RECONNECT_SECONDS, stop_after=1)]
            if any(payload != self._me for payload in heard):
                for call in self._calls:
                    call()


log = structlog.get_logger()


def _number_of(what: str) -> int:
    """A number for an advisory lock; the same in every process, within 31 bits."""
    return zlib.crc32(what.encode()) & 0x7FFFFFFF


@lru_cache(maxsize=256)
def _of_json(statement: sa.Insert, names: tuple[str, ...]) -> sa.Insert:
    """The same insert, of the rows in one JSON text. The server hands them over one after another, in their order."""
    table = statement.table
    columns = [sa.column(name, table.c[name].type) for name in names]
    text = sa.cast(sa.bindparam(_ROWS, type_=sa.Text), sa.JSON)
    rows = sa.func.json_to_recordset(text).table_valued(*columns).render_derived(with_types=True)
    return statement.from_select(list(names), sa.select(*(rows.c[name] for name in names)))


def _size(rows: Sequence[Row]) -> int:
    return sum(len(value) for row in rows for value in row.values() if isinstance(value, (bytes, str)))


def _in_json(value: object) -> str:
    """What JSON has no word for, as the server reads it."""
    if isinstance(value, datetime):
        return checked_moment(value).isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(type(value).__name__)


def _count_changes(
    connection: sa.Connection,
    cursor: Any,  # noqa: ANN401 - the driver's
    _statement: str,
    _parameters: object,
    context: Any,  # noqa: ANN401 - SQLAlchemy's
    _executemany: bool,  # noqa: FBT001 - as the event gives it
) -> None:
    if (context.isinsert or context.isupdate or context.isdelete) and not context.execution_options.get(LOCKS_ONLY):
        connection.info["changes"] = connection.info.get("changes", 0) + max(cursor.rowcount, 0)


def _leave_out_details(context: sa.engine.ExceptionContext) -> None:
    """The server adds whole rows to the words of an error; those go to logs and dead letters, the rows must not."""
    error = context.original_exception
    diagnosis = getattr(error, "diag", None)
    if diagnosis is not None and diagnosis.message_primary and context.sqlalchemy_exception is not None:
        error.args = (diagnosis.message_primary,)
        context.sqlalchemy_exception.args = (f"({type(error).__name__}) {diagnosis.message_primary}",)
