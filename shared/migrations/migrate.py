"""Brings a database to what the code needs, at every start."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from shared.database import Database
from shared.migrations.history import History


def migrate(database: Database, histories: Sequence[History]) -> None:
    """Bring the database to the newest revision of every history: all of it or nothing.

    A start that is interrupted leaves the old state, and the next one goes on from there; of two processes that start
    at once, one waits and finds the work done. Raises `DatabaseIsNewer` and `UnknownTables`; both change nothing.
    """
    with database.reading() as connection:
        if all(history.is_at_head(connection) for history in histories):
            return
    from shared.migrations import alembic_steps  # noqa: PLC0415 - most starts end above and never import Alembic

    with database.changing_tables() as connection:
        if _is_older_than_histories(connection, histories):
            alembic_steps.adopt(connection, histories)
        for history in histories:
            if not history.is_at_head(connection):
                alembic_steps.upgrade(connection, history)


def _is_older_than_histories(connection: sa.Connection, histories: Sequence[History]) -> bool:
    tables = sa.inspect(connection).get_table_names()
    return bool(tables) and not any(history.version_table in tables for history in histories)
