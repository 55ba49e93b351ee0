"""What a lock asks of a server that lets many write at once, and of SQLite, where one writes at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from shared.database import SYSTEM, Transaction
from shared.database.dialect import Dialect, Row
from tests.support.databases import ManualClock, make_database


class Server:
    """The ways of a PostgreSQL that only writes down what it is asked."""

    locks_rows = True
    returns_rows = False

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[object]]] = []

    def write(self, _connection: sa.Connection, statement: sa.Insert, rows: Sequence[Row]) -> Server:
        compiled = statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
        self.asked.append((" ".join(str(compiled).split()), [row["key"] for row in rows]))
        return self


def on_a_server(server: Server) -> Transaction:
    dialect, connection = cast("Dialect", server), cast("sa.Connection", None)
    return Transaction(connection, source="marking", clock=ManualClock(), context=SYSTEM, dialect=dialect)


def test_a_lock_takes_the_rows_that_are_there_as_well_in_the_order_of_their_keys() -> None:
    server = Server()
    tx = on_a_server(server)
    tx.lock("w2", "w1", "w2")
    ((locked, keys),) = server.asked
    assert (locked.startswith("INSERT INTO key_sequence"), keys) == (True, ["w1", "w2"])
    assert locked.endswith("ON CONFLICT (key) DO UPDATE SET sequence = key_sequence.sequence")


def test_a_lock_of_nothing_asks_nothing() -> None:
    server = Server()
    tx = on_a_server(server)
    tx.lock()
    assert server.asked == []


@pytest.mark.sqlite
def test_on_sqlite_a_lock_costs_nothing(tmp_path: Path) -> None:
    database = make_database(sa.MetaData(), tmp_path, "marking", ManualClock())
    statements: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda _c, _cu, text, *_rest: statements.append(text))
    with database.transaction() as tx:
        tx.lock("w1", "w2")
    assert statements == ["BEGIN IMMEDIATE"]
    database.close()
