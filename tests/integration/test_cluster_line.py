"""The line on real servers: every role a process, PostgreSQL for each service, facts on Kafka."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from services.intake.catalogue import take_in
from services.system import System
from tests.support.databases import SERVICES, settings_in
from tests.support.kafka import make_topics_anew
from tests.support.oulad import environment_of
from tests.support.processes import Role, roles
from tests.support.servers import address
from tests.support.university import ANN, BEN, PDF, TMA, small_university

pytestmark = pytest.mark.cluster
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
    "notifier.sender",
    "notifier.timers",
)


@dataclass
class Cluster:
    """A composed system to look at, and the environment of processes on the same servers."""

    system: System
    environment: dict[str, str]
    folder: Path

    def hand_in(self, api: Role, person: str, key: str | None = None) -> httpx.Response:
        token = self.system.identity.sessions.sign_in(role="student", identifier=person)
        return httpx.post(
            f"{api.url}/api/v1/assignments/{TMA}/submissions",
            files={"file": ("answer.pdf", PDF, "application/pdf")},
            headers={"authorization": f"Bearer {token}", "idempotency-key": key or str(uuid.uuid4())},
            trust_env=False,
            timeout=SECONDS,
        )

    def count(self, service: str, kind: str) -> int:
        return len(self.system.inspections()[service].facts(kind))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The small university on databases and topics of its own; nothing runs."""
    monkeypatch.setenv("ETMA_TEST_DATABASES", "postgresql")
    make_topics_anew()
    given = {"bus_url": address("kafka"), "digest_window_seconds": 0}
    settings = settings_in(tmp_path / "var", **given)
    system = System(settings)
    take_in(system, small_university())
    urls = {f"ETMA_{name.upper()}_DATABASE_URL": settings.database_of(name) for name in SERVICES}
    own = {"ETMA_BUS_URL": address("kafka"), "ETMA_LOG_LEVEL": "WARNING", "ETMA_DIGEST_WINDOW_SECONDS": "0"}
    yield Cluster(system, environment_of(tmp_path / "var", {**urls, **own}), tmp_path)
    system.platform.close()


def test_work_goes_from_the_student_to_the_tutor_through_real_servers(cluster: Cluster) -> None:
    with roles(cluster.environment, *LINE) as running:
        for role in running.values():
            role.wait_until_ready()
        answers = [cluster.hand_in(running["submission.api"], person) for person in (ANN, BEN)]
        assert [answer.status_code for answer in answers] == [201, 201], answers
        mails = cluster.folder / "var" / "mail"
        wait_until(lambda: len(list(mails.glob("*/*.eml"))) == 4)  # a receipt and a tutor's news for each
        wait_until(lambda: cluster.system.inspections()["submission"].status()["lag"] == 0)
        assert {name: role.stop() for name, role in running.items()} == dict.fromkeys(running, 0)
    assert {row["state"] for row in cluster.system.inspections()["marking"].facts("scripts")} == {"allocated"}


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
