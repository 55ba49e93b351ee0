"""Databases and clocks for tests: in a temporary folder, or on PostgreSQL when the run asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from services.migration import OWNERS
from shared.clock import Clock
from shared.database import Database
from shared.messaging.tables import HISTORY as MESSAGING
from shared.messaging.tables import metadata as messaging
from shared.migrations.migrate import migrate
from shared.settings import Settings, load_settings
from tests.support import postgresql

SERVICES = ("identity", "submission", "marking", "notifier", "operations")

_open: list[Database] = []


class ManualClock:
    """A clock that a test moves."""

    simulated = False

    def __init__(self, moment: datetime = datetime(2026, 11, 24, 10, tzinfo=UTC)) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def advance(self, step: timedelta) -> None:
        self.moment += step

    def move_to(self, moment: datetime) -> None:
        self.moment = moment


def make_database(metadata: sa.MetaData, tmp_path: Path, source: str, clock: Clock) -> Database:
    """A service's database with all its tables.

    Made from what the code declares, which is quicker than migrating; `tests/unit/test_migrations.py` holds that a
    migrated database has the same tables.
    """
    if postgresql.are_wanted():
        return make_server_database(metadata, source, clock)
    return _opened(f"sqlite:///{tmp_path / source}.db", metadata, source, clock)


def make_server_database(metadata: sa.MetaData, source: str, clock: Clock) -> Database:
    """The same on PostgreSQL, whatever the run asks for."""
    return _opened(postgresql.new_database(), metadata, source, clock)


def _opened(url: str, metadata: sa.MetaData, source: str, clock: Clock) -> Database:
    database = Database(url, source=source, clock=clock)
    _open.append(database)
    messaging.create_all(database.engine)
    metadata.create_all(database.engine)
    return database


def close_all() -> None:
    """Close what `make_database` opened; a server has only so many connections."""
    while _open:
        _open.pop().close()


def settings_in(folder: Path, **given: object) -> Settings:
    """Settings of a whole system in this folder, its databases migrated ones when they are PostgreSQL's."""
    return server_settings_in(folder, **given) if postgresql.are_wanted() else load_settings(data_dir=folder, **given)


def server_settings_in(folder: Path, **given: object) -> Settings:
    """The same with databases on PostgreSQL, whatever the run asks for."""
    urls = {f"{name}_database_url": _migrated(name, folder) for name in SERVICES}
    return load_settings(data_dir=folder, **urls, **given)


@cache
def _migrated(service: str, _of: Path) -> str:
    """The URL of the database of the service that belongs to this folder."""

    def fill(url: str) -> None:
        database = Database(url, source=service, clock=ManualClock())
        migrate(database, [MESSAGING, OWNERS[service].history])
        database.close()

    return postgresql.new_copy(service, fill)
