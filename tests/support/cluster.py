"""The small university on real servers: PostgreSQL, Kafka and an S3 store, and the roles as processes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

from services.cluster import ClusterSystem
from services.intake.catalogue import take_in
from services.opening import replay_clock
from services.operations.reconciliation.domain import Report
from shared.messaging.bus import Bus
from shared.settings import Settings
from tests.support.buckets import own_bucket
from tests.support.databases import server_settings_in
from tests.support.kafka import sole_use_of_topics
from tests.support.oulad import environment_of
from tests.support.processes import Role
from tests.support.servers import address
from tests.support.university import ANN, BEN, CY, PDF, TMA, settle, settled_audit, small_university

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
"""What one piece of work needs; a process of each."""

TOWN = (*LINE, "marking.api", "notifier.api", "operations.api", "operations.timers")
"""The same, and what tutors and operations look at; the last does audits."""

EVERYTHING = (*TOWN, "submission.timers")


def twice(names: Sequence[str]) -> Sequence[str]:
    """Two processes of each role that answers requests or applies facts, one of the others, as `roles` takes them."""
    return [*names, *(f"{name}.2" for name in names if name.endswith((".api", ".worker")))]


@dataclass
class Cluster:
    """A composed system to look at, and the environment of processes on the same servers.

    The students have signed in: `tokens` by person.
    """

    system: ClusterSystem
    environment: dict[str, str]
    folder: Path
    tokens: dict[str, str]

    @property
    def bus(self) -> Bus:
        return self.system.platform.bus

    def hand_in(self, api: Role, person: str, *, content: bytes = PDF, key: str | None = None) -> httpx.Response:
        return httpx.post(
            f"{api.url}/api/v1/assignments/{TMA}/submissions",
            files={"file": ("answer.pdf", content, "application/pdf")},
            headers={"authorization": f"Bearer {self.tokens[person]}", "idempotency-key": key or str(uuid.uuid4())},
            trust_env=False,
            timeout=SECONDS,
        )

    def settle(self) -> float:
        return settle(self.system, every_seconds=0.2)

    def audit(self, receipts: Path | None = None) -> Report:
        """As `etma audit --settled` runs it."""
        return settled_audit(self.system, receipts)


@contextmanager
def new_cluster(folder: Path, **given: object) -> Iterator[Cluster]:
    """Databases, topics and a bucket of its own, the small university taken in; nothing runs. Settings may be given."""
    with own_places(folder / "var", **given) as settings:
        system = ClusterSystem(settings)
        take_in(system, small_university())
        sign_in = system.identity.sessions.sign_in
        tokens = {person: sign_in(role="student", identifier=person) for person in (ANN, BEN, CY)}
        yield Cluster(system, environment_for(settings), folder, tokens)
        system.platform.close()


@contextmanager
def own_places(data_dir: Path, **given: object) -> Iterator[Settings]:
    """Settings with databases, topics and a bucket of their own on the servers."""
    with (
        sole_use_of_topics(),
        own_bucket(address("s3"), "worm=preferred&retention_days=1") as objects,
        own_bucket(address("s3")) as staging,
    ):
        yield server_settings_in(
            data_dir,
            bus_url=address("kafka"),
            objects_url=objects,
            staging_url=staging,
            digest_window_seconds=0,
            **given,
        )


def in_replayed_time(settings: Settings) -> Settings:
    """In the time of the replay in the data folder."""
    clock_url = f"stepped+file://{replay_clock(settings.data_dir)}"
    return settings.model_copy(update={"replay": True, "clock_url": clock_url})


def environment_for(settings: Settings) -> dict[str, str]:
    """The environment of processes with these settings."""
    given = settings.model_dump(mode="json", exclude_unset=True)
    own = {f"ETMA_{name.upper()}": str(value) for name, value in given.items()}
    return environment_of(settings.data_dir, {**own, "ETMA_LOG_LEVEL": "WARNING"})
