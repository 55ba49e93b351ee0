"""Chooses the adapters by the scheme of their URLs; the only place that does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.clock import Clock, SystemClock
from shared.contracts import TOPICS
from shared.database import Database
from shared.keys import load_or_create_key, load_or_create_secret
from shared.messaging.local_bus import LocalBus
from shared.messaging.tables import HISTORY as MESSAGING
from shared.migrations.history import History
from shared.migrations.migrate import migrate
from shared.settings import BadSettings, Settings
from shared.simulation import check_time, claim_time
from shared.stepped_clock import SteppedClock
from shared.storage.file_store import FileStore
from shared.storage.port import ObjectStore
from shared.web.pages import Pages
from shared.web.tokens import Tokens


class Platform:
    """What services are composed with. Everything is under `settings.data_dir` in the embedded system."""

    def __init__(self, settings: Settings, templates: Sequence[Path] = ()) -> None:
        self.settings = settings
        self.clock = _clock(settings)
        folder = settings.data_dir
        self.objects: ObjectStore = FileStore(folder / "objects")
        self.bus = LocalBus(f"sqlite:///{folder / 'bus.db'}", clock=self.clock, topics=list(TOPICS))
        self.tokens = Tokens(load_or_create_key(folder / "keys" / "session.json"), self.clock)
        self.form_secret = load_or_create_secret(folder / "keys" / "forms.secret")
        self.receipt_key = load_or_create_key(folder / "keys" / "receipt.json")
        self.pages = Pages(templates, demo=settings.demo)
        self._databases: list[Database] = []

    def database(self, name: str, history: History) -> Database:
        """A service's own database, its tables brought to what this code needs; raises what `migrate` raises."""
        database = Database(f"sqlite:///{self.settings.data_dir / name}.db", source=name, clock=self.clock)
        self._databases.append(database)
        migrate(database, [MESSAGING, history])
        return database

    def claim_time(self) -> None:
        """Mark all databases as ones of this clock's time; raises `OtherTime` when one is of the other."""
        for database in self._databases:
            claim_time(database)

    def check_time(self) -> None:
        """Raises `OtherTime` when a database is of the other time; a command that may only look marks nothing."""
        for database in self._databases:
            check_time(database)

    def close(self) -> None:
        for database in self._databases:
            database.close()
        self.bus.close()


def _clock(settings: Settings) -> Clock:
    scheme, _, path = settings.clock_url.partition("://")
    if scheme == "system":
        return SystemClock()
    if scheme != "stepped+file":
        raise BadSettings(f"ETMA_CLOCK_URL: {scheme}:// is not known; known are system:// and stepped+file://PATH.")
    if not settings.replay:
        raise BadSettings("A stepped clock is for replays only: set ETMA_REPLAY=1.")
    return SteppedClock(Path(path))
