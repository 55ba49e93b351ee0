"""Chooses the adapters by the scheme of their URLs; the only place that does.

Adapters are named by string, so that a process imports what its URLs ask for and nothing else: the embedded system
neither Kafka nor an S3 client, a web process no Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from shared.clock import Clock, SystemClock
from shared.contracts import Topic
from shared.database import Database
from shared.keys import KeyFolder, load_or_create_key, load_or_create_secret
from shared.messaging.bus import Bus, LogEnds
from shared.messaging.consumer import Consumer
from shared.messaging.observed_ends import ObservedEnds
from shared.messaging.tables import HISTORY as MESSAGING
from shared.migrations.history import History
from shared.migrations.migrate import migrate, require_migrated
from shared.rate import rate_in
from shared.rates import Rates
from shared.service import Part, Service, problems_of
from shared.settings import BadSettings, Settings
from shared.simulation import check_time, claim_time
from shared.stepped_clock import SteppedClock
from shared.storage.port import ObjectStore
from shared.web.brand import brand_of
from shared.web.callers import Callers
from shared.web.known_sessions import KnownSessions, elsewhere
from shared.web.limits import CountedLimits, Limit, Limits
from shared.web.pages import Pages
from shared.web.remote_service import RemoteService
from shared.web.remote_sessions import RemoteKeys, RemoteSessions
from shared.web.tokens import ServiceTokens, SessionSigner, SessionTokens

OBJECT_STORES = {"file": "shared.storage.file_store:FileStore", "s3": "shared.storage.s3_store:S3Store"}
BUSES = {"local": "shared.messaging.local_bus:LocalBus", "kafka": "shared.messaging.kafka_bus:KafkaBus"}
WORKERS = {
    "local": "shared.messaging.local_worker:LocalWorker",
    "kafka": "shared.messaging.faust_worker:FaustWorker",
}
CHANNELS = {
    "file": "services.notifier.channels.file_channel:FileChannel",
    "smtp": "services.notifier.channels.smtp_channel:SmtpChannel",
}

SCANNERS = {
    "clamd": "services.submission.scanning.clamd:Clamd",
    "clamd+unix": "services.submission.scanning.clamd:Clamd",
}


class Platform:
    """What services are composed with: each adapter is opened when a service first takes it.

    A process that has the databases for itself `migrates` them; where there are many, none does at its start.
    """

    def __init__(self, settings: Settings, templates: Sequence[Path] = (), *, migrates: bool = True) -> None:
        self.settings = settings
        self.migrates = migrates
        self.clock = _clock(settings)
        self.service_tokens = ServiceTokens(load_or_create_key(settings.keys / "service.json"), self.clock)
        self.form_secret = load_or_create_secret(settings.keys / "forms.secret")
        self.receipt_keys = KeyFolder(settings.keys, "receipt")
        self.pages = Pages(templates, demo=settings.demo, brand=brand_of(settings))
        self._databases: list[Database] = []
        self._remotes: list[RemoteService] = []

    @cached_property
    def objects(self) -> ObjectStore:
        """Where the bytes are."""
        store: ObjectStore = _adapter("ETMA_OBJECTS_URL", self.settings.objects, OBJECT_STORES)
        return store

    @cached_property
    def staging(self) -> ObjectStore:
        """Where uploads wait until they are whole."""
        store: ObjectStore = _adapter("ETMA_STAGING_URL", self.settings.staging, OBJECT_STORES)
        return store

    @cached_property
    def bus(self) -> Bus:
        """Where facts travel."""
        bus: Bus = _adapter("ETMA_BUS_URL", self.settings.bus, BUSES, clock=self.clock)
        return bus

    @cached_property
    def channel(self) -> Any:  # noqa: ANN401 - the port is the notifier's
        """How mail goes out."""
        return _adapter("ETMA_MAIL_URL", self.settings.mail, CHANNELS)

    @cached_property
    def scanner(self) -> Any:  # noqa: ANN401 - the port is submission's
        """What looks for malware; None where nothing does."""
        url = self.settings.scanner_url
        return _adapter("ETMA_SCANNER_URL", url, SCANNERS) if url else None

    def worker(self, consumer: Consumer, topics: Sequence[Topic]) -> Part:
        """What feeds a consumer from the bus."""
        worker: Part = _adapter("ETMA_BUS_URL", self.settings.bus, WORKERS, consumer=consumer, topics=topics)
        return worker

    def log_ends(self, database: Database) -> LogEnds:
        """Where the log ends, for a service that says how far it is behind.

        What is on a broker, its workers note in the database: a web process has no broker to ask.
        """
        return self.bus if self.settings.bus.startswith("local:") else ObservedEnds(database)

    def session_signer(self) -> SessionSigner:
        """What signs for persons: identity's alone, whose process alone needs the key."""
        return SessionSigner(load_or_create_key(self.settings.keys / "session.json"), self.clock)

    def callers(self, service: Service) -> Callers:
        """Who knows who asks: the service itself when it keeps the sessions, else identity is asked."""
        if service.callers is not None:
            return service.callers
        if not self.settings.identity_url:
            raise BadSettings("ETMA_IDENTITY_URL: say where identity answers; who is signed in is asked of it.")
        identity = RemoteSessions(self.remote("identity", asked_by=service.name))
        return Callers(
            sessions=SessionTokens(RemoteKeys(identity), self.clock),
            services=self.service_tokens,
            known=KnownSessions(identity.renew, self.clock, elsewhere(self.settings.session_fresh_seconds)),
        )

    def limits(self, database: Database) -> Limits:
        """How often people may ask, counted in this database: the one that all replicas of a process share."""
        allowed = {limit: rate_in(getattr(self.settings, f"limit_{limit}")) for limit in Limit}
        return CountedLimits(Rates(database, SystemClock()), allowed)

    def remote(self, name: str, *, asked_by: str) -> RemoteService:
        """A service that runs elsewhere."""
        service = RemoteService(name, self.settings.place_of(name), self.service_tokens, asked_by=asked_by)
        self._remotes.append(service)
        return service

    def database(self, name: str, history: History) -> Database:
        """A service's own database, with the tables that this code needs; raises what `migrate` raises.

        Raises `NotMigrated` when they are missing and this process does not migrate.
        """
        database = Database(self.settings.database_of(name), source=name, clock=self.clock)
        self._databases.append(database)
        ready = migrate if self.migrates else require_migrated
        ready(database, [MESSAGING, history])
        return database

    def problems(self) -> Mapping[str, str]:
        """What is not well in the adapters that are in use, with words for everybody."""
        in_use = [name for name in ("objects", "staging") if name in self.__dict__]
        return {part: words for name in in_use for part, words in problems_of(name, self._ready(name)).items()}

    def _ready(self, name: str) -> Callable[[], Mapping[str, str]]:
        store: ObjectStore = self.__dict__[name]

        def ask() -> Mapping[str, str]:
            store.ready()
            return {}

        return ask

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
        for remote in self._remotes:
            remote.close()
        if "bus" in self.__dict__:
            self.bus.close()


def _adapter(setting: str, url: str, known: Mapping[str, str], **given: object) -> Any:  # noqa: ANN401 - any port
    scheme = url.partition("://")[0]
    if scheme not in known:
        raise BadSettings(f"{setting}: {scheme}:// is not known; known are {' and '.join(f'{k}://' for k in known)}.")
    return resolve_name(known[scheme]).from_url(url, **given)


def _clock(settings: Settings) -> Clock:
    scheme, _, path = settings.clock_url.partition("://")
    if scheme == "system":
        return SystemClock()
    if scheme != "stepped+file":
        raise BadSettings(f"ETMA_CLOCK_URL: {scheme}:// is not known; known are system:// and stepped+file://PATH.")
    if not settings.replay:
        raise BadSettings("A stepped clock is for replays only: set ETMA_REPLAY=1.")
    return SteppedClock(Path(path))
