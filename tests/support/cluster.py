"""The small university on real servers: PostgreSQL, Kafka and an S3 store, and the roles as processes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

from services.intake.catalogue import take_in
from services.operations.reconciliation.domain import Report
from services.system import System
from shared.inspection import is_in_flight
from shared.messaging.consumer import stored_offsets
from tests.support.buckets import own_bucket
from tests.support.databases import SERVICES, settings_in
from tests.support.kafka import KafkaBus, sole_use_of_topics, system_bus
from tests.support.oulad import environment_of
from tests.support.processes import Role
from tests.support.servers import address
from tests.support.university import ANN, BEN, CY, PDF, TMA, settled_audit, small_university

SECONDS = 60
LINE = (
    "identity.api",
    "submission.api",
    "identity.relay",
    "submission.relay",
    "marking.relay",
    "notifier.relay",
    "submission.worker",
    "marking.worker",
    "notifier.worker",
    "operations.worker",
    "notifier.sender",
    "notifier.timers",
)


@dataclass
class Cluster:
    """A composed system to look at, and the environment of processes on the same servers.

    The students have signed in: `tokens` by person.
    """

    system: System
    bus: KafkaBus
    environment: dict[str, str]
    folder: Path
    tokens: dict[str, str]

    def hand_in(self, api: Role, person: str, *, content: bytes = PDF, key: str | None = None) -> httpx.Response:
        return httpx.post(
            f"{api.url}/api/v1/assignments/{TMA}/submissions",
            files={"file": ("answer.pdf", content, "application/pdf")},
            headers={"authorization": f"Bearer {self.tokens[person]}", "idempotency-key": key or str(uuid.uuid4())},
            trust_env=False,
            timeout=SECONDS,
        )

    def settle(self) -> float:
        """Wait until nothing is in flight; the seconds it took. Fails after a minute."""
        began = time.monotonic()
        while not self._is_settled():
            statuses = {name: inspection.status() for name, inspection in self.system.inspections().items()}
            assert time.monotonic() - began < SECONDS, statuses
            time.sleep(0.2)
        return time.monotonic() - began

    def _is_settled(self) -> bool:
        before = self._positions()
        moving = any(is_in_flight(each.database) or each.in_flight() for each in self.system.services)
        ends = self.bus.end_offsets()
        read = all(ends[place] == offset for offsets in before.values() for place, offset in offsets.items())
        return read and not moving and before == self._positions()

    def _positions(self) -> dict[str, dict[tuple[str, int], int]]:
        """Where each consumer goes on, and how much each service has said."""
        found = {}
        for service in self.system.services:
            with service.database.reading() as connection:
                found[service.name] = stored_offsets(connection, service.name)
        return found

    def audit(self, receipts: Path | None = None) -> Report:
        """As `etma audit --settled` runs it."""
        return settled_audit(self.system, receipts)


@contextmanager
def new_cluster(folder: Path) -> Iterator[Cluster]:
    """Databases, topics and a bucket of its own, the university taken in; nothing runs.

    `ETMA_TEST_DATABASES` says PostgreSQL.
    """
    with sole_use_of_topics(), own_bucket(address("s3"), "worm=preferred&retention_days=1") as objects:
        settings = settings_in(folder / "var", bus_url=address("kafka"), objects_url=objects, digest_window_seconds=0)
        system, bus = System(settings), system_bus()
        take_in(system, small_university())
        urls = {f"ETMA_{name.upper()}_DATABASE_URL": settings.database_of(name) for name in SERVICES}
        own = {"ETMA_BUS_URL": address("kafka"), "ETMA_OBJECTS_URL": objects, "ETMA_LOG_LEVEL": "WARNING"}
        environment = environment_of(folder / "var", {**urls, **own, "ETMA_DIGEST_WINDOW_SECONDS": "0"})
        sign_in = system.identity.sessions.sign_in
        tokens = {person: sign_in(role="student", identifier=person) for person in (ANN, BEN, CY)}
        yield Cluster(system, bus, environment, folder, tokens)
        bus.close()
        system.platform.close()
