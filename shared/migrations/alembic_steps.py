"""What Alembic does for a history: upgrade, stamp, and write the next revision. No alembic.ini, no logging set up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from shared.errors import Conflict
from shared.killpoints import kill_point
from shared.migrations.history import History


class UnknownTables(Conflict):
    """A database from before there were histories, with tables that no first revision makes."""

    code = "unknown_tables"
    title = "This data was made by an early version of etma"


def config_of(history: History, **options: Any) -> Config:  # noqa: ANN401 - as Alembic takes them
    """What Alembic's commands take; `options` go to `context.configure` in env.py, which all histories share."""
    config = Config(attributes={"options": {"version_table": history.version_table, **options}})
    config.set_main_option("script_location", _literal(Path(__file__).parent))
    config.set_main_option("version_locations", _literal(history.versions))
    config.set_main_option("path_separator", "newline")
    return config


def _literal(path: Path) -> str:
    """The path for an option; a percent sign would be taken for a placeholder."""
    return str(path).replace("%", "%%")


def upgrade(connection: sa.Connection, history: History, revision: str = "head") -> None:
    """Run what is missing up to the revision, in the transaction of the connection."""
    command.upgrade(config_of(history, connection=connection, on_version_apply=_applied), revision)


def _applied(**_step: object) -> None:
    kill_point("migrations.applied")


def adopt(connection: sa.Connection, histories: Sequence[History]) -> None:
    """Write down that a database without any number is at each first revision; raises `UnknownTables` if it is not.

    Before there were histories, tables were made at the first start, the same as the first revisions make them.
    """
    wanted = _first_tables(histories)
    found = _tables(connection)
    different = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if different:
        detail = (
            f"{connection.engine.url} has no revision number and differs from revision {histories[0].revisions[0]} in "
            f"{', '.join(different)}. Nothing was changed. Set ETMA_DATA_DIR to another folder, or start the version "
            "that made this one."
        )
        raise UnknownTables(detail)
    for history in histories:
        command.stamp(config_of(history, connection=connection), history.revisions[0])


def _first_tables(histories: Sequence[History]) -> dict[str, str]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        for history in histories:
            upgrade(connection, history, history.revisions[0])
        tables = _tables(connection)
    engine.dispose()
    return {name: text for name, text in tables.items() if name not in {each.version_table for each in histories}}


def _tables(connection: sa.Connection) -> dict[str, str]:
    """Each table and index by name, with the statement that made it, unquoted.

    SQLite's, as no other was made without a number; of another server the tables' names are enough to tell.
    """
    if connection.dialect.name != "sqlite":
        return dict.fromkeys(sa.inspect(connection).get_table_names(), "")
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(text.replace('"', "").split()) for name, text in rows}


def write_next(connection: sa.Connection, history: History, *, metadata: sa.MetaData, message: str) -> None:
    """Write the next revision: what leads from this database, at the newest one, to the tables of `metadata`."""
    number = f"{int(history.revisions[-1]) + 1:04}"
    config = config_of(
        history, connection=connection, target_metadata=metadata, render_as_batch=True, user_module_prefix=""
    )
    command.revision(config, message, autogenerate=True, rev_id=number, version_path=str(history.versions))
