"""Databases and clocks for tests: the embedded adapters, in a temporary folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from shared.clock import Clock
from shared.database import Database
from shared.messaging.tables import metadata as messaging


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
    database = Database(f"sqlite:///{tmp_path / source}.db", source=source, clock=clock)
    messaging.create_all(database.engine)
    metadata.create_all(database.engine)
    return database
