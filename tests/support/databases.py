"""Databases and clocks for tests: in a temporary folder, or on PostgreSQL when the run asks for it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import sqlalchemy as sa

from services.migration import OWNERS
from shared.clock import Clock
from shared.database import Database
from shared.messaging.local_bus import HISTORY as LOCAL_BUS
from shared.messaging.tables import HISTORY as MESSAGING
from shared.messaging.tables import metadata as messaging
from shared.migrations.migrate import migrate
from shared.settings import Settings, load_settings
from tests.support import postgresql

SERVICES = ("identity", "submission", "marking", "notifier", "operations")
BUS = "bus"

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
    """Settings of a whole system in this folder, whose new databases are copies of migrated ones.

    A migration for each costs more than most tests; those that are about migrations make their own settings.
    """
    if postgresql.are_wanted():
        return server_settings_in(folder, **given)
    settings = load_settings(data_dir=folder, **given)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*SERVICES, BUS):
        if not (file := folder / f"{name}.db").exists():
            shutil.copyfile(_migrated_file(name), file)
    return settings


def server_settings_in(folder: Path, **given: object) -> Settings:
    """The same with databases on PostgreSQL, whatever the run asks for."""
    urls = {f"{name}_database_url": _migrated(name, folder) for name in SERVICES}
    return load_settings(data_dir=folder, **urls, **given)


@cache
def _migrated(service: str, _of: Path) -> str:
    """The URL of the database of the service that belongs to this folder."""
    return postgresql.new_copy(service, partial(_fill, service))


@cache
def _migrated_file(service: str) -> Path:
    """A migrated file of SQLite, closed, made once a process."""
    file = _templates() / f"{service}.db"
    _fill(service, f"sqlite:///{file}")
    return file


@cache
def _templates() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="etma-templates-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _fill(service: str, url: str) -> None:
    database = Database(url, source=service, clock=ManualClock())
    migrate(database, [LOCAL_BUS] if service == BUS else [MESSAGING, OWNERS[service].history])
    database.close()
