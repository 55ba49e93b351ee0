"""Brings a database to what the code needs, at every start."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from shared.database import Database
from shared.errors import Unavailable
from shared.migrations.history import History


class NotMigrated(Unavailable):
    """The database lacks what this code needs, and this process is not the one to bring it there."""

    code = "not_migrated"
    title = "The database is not at the revision that this version needs"


def migrate(database: Database, histories: Sequence[History]) -> None:
    """Bring the database to the newest revision of every history: all of it or nothing.

    A start that is interrupted leaves the old state, and the next one goes on from there; of two processes that start
    at once, one waits and finds the work done. Raises `DatabaseIsNewer` and `UnknownTables`; both change nothing.
    """
    if _is_migrated(database, histories):
        return
    from shared.migrations import alembic_steps  # noqa: PLC0415 - most starts end above and never import Alembic

    with database.changing_tables() as connection:
        if _is_older_than_histories(connection, histories):
            alembic_steps.adopt(connection, histories)
        for history in histories:
            if not history.is_at_head(connection):
                alembic_steps.upgrade(connection, history)


def require_migrated(database: Database, histories: Sequence[History]) -> None:
    """For one of many processes, of which none changes tables: raises `NotMigrated`, and `DatabaseIsNewer`."""
    if not _is_migrated(database, histories):
        raise NotMigrated(f"Run `python -m services.{database.source} migrate`, or `etma migrate` for all services.")


def _is_migrated(database: Database, histories: Sequence[History]) -> bool:
    with database.reading() as connection:
        return all(history.is_at_head(connection) for history in histories)


def _is_older_than_histories(connection: sa.Connection, histories: Sequence[History]) -> bool:
    tables = sa.inspect(connection).get_table_names()
    return bool(tables) and not any(history.version_table in tables for history in histories)
