"""Killed with -9 about a scan: the version is scanned again, and everybody is told once."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from deploy.servers.clamd import EICAR
from services.intake.catalogue import take_in
from services.opening import opened_or_new
from tests.faults.test_upload_kills import SECONDS, Server
from tests.support.clamd import fake_clamd
from tests.support.databases import settings_in
from tests.support.scanning import SCAN_POINTS
from tests.support.university import ANN, PDF, TMA, settled_audit, small_university

INFECTED = PDF + EICAR


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "var")
    yield server
    server.kill()


@pytest.mark.sqlite
@pytest.mark.parametrize(("moment", "scans"), zip(SCAN_POINTS, (2, 1), strict=True))
def test_a_scan_survives_a_kill(server: Server, moment: str, scans: int) -> None:
    with opened_or_new(settings_in(server.data_dir)) as system:
        take_in(system, small_university())
        token = system.identity.sessions.sign_in(role="student", identifier=ANN)
    with fake_clamd() as clamd:
        given = {"ETMA_SCANNER_URL": clamd.url, "ETMA_DIGEST_WINDOW_SECONDS": "0"}
        server.start(**given, ETMA_KILL_POINT=moment)
        answer = httpx.post(
            f"{server.address}/api/v1/assignments/{TMA}/submissions",
            files={"file": ("answer.pdf", INFECTED, "application/pdf")},
            headers={"authorization": f"Bearer {token}", "idempotency-key": str(uuid.uuid4())},
            trust_env=False,
            timeout=SECONDS,
        )
        assert answer.status_code == 201
        server.dies()
        server.start(**given)
        wait_for_mails(server.data_dir, 4)
        server.kill()
        assert clamd.scanned == [INFECTED] * scans
    with opened_or_new(settings_in(server.data_dir)) as system:
        (scan,) = system.submission.service.inspection.facts("scans")
        told = Counter(row["purpose"] for row in system.notifier.service.inspection.facts("obligations"))
        assert (scan["state"], scan["holder"]) == ("blocked", None)
        assert told == {"receipt": 1, "new_script": 1, "malware_found": 1, "work_blocked": 1}
        assert settled_audit(system).violations == []


def wait_for_mails(data_dir: Path, number: int) -> None:
    """Until so many are owed and have gone, or cannot."""
    deadline = time.monotonic() + SECONDS
    while True:
        with opened_or_new(settings_in(data_dir)) as system:
            done = [row["state"] for row in system.notifier.service.inspection.facts("deliveries")]
            moving = any(service.is_moving() for service in system.services)
        if len(done) == number and set(done) <= {"sent", "suppressed"} and not moving:
            return
        assert time.monotonic() < deadline, done
        time.sleep(0.3)
