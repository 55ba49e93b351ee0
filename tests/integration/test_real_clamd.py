"""The search for malware by the real clamd: alone, and on the line of processes on real servers."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2 as httpx
import pytest

from deploy.servers.clamd import EICAR, LARGEST_FILE_BYTES, LARGEST_STREAM_BYTES, ClamdProcess
from services.submission.scanning.clamd import Clamd
from shared.contracts import ScanOutcome
from tests.support.cluster import LINE, new_cluster
from tests.support.processes import roles
from tests.support.university import ANN, BEN, OTHER_TUTOR, PDF, TUTOR

pytestmark = pytest.mark.cluster

SECONDS = 60
PIECE = 64 * 1024


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClamdProcess]:
    server = ClamdProcess(tmp_path_factory.mktemp("clamd"))
    server.start()
    yield server
    server.stop()


def pieces(content: bytes) -> Sequence[bytes]:
    return [content[start : start + PIECE] for start in range(0, len(content), PIECE)]


def packed(content: bytes, *, within: str = "word/embeddings/object.bin") -> bytes:
    """As a docx holds it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(within, content)
    return buffer.getvalue()


@pytest.mark.parametrize("address", ["address", "socket_address"])
def test_it_finds_what_it_knows_and_nothing_else(clamd: ClamdProcess, address: str) -> None:
    client = Clamd.from_url(getattr(clamd, address))
    assert client.signatures().startswith("ClamAV ")
    assert client.scan(pieces(PDF)).outcome is ScanOutcome.CLEAN
    assert client.scan([]).outcome is ScanOutcome.CLEAN
    for infected in (PDF + EICAR, packed(EICAR), packed(packed(EICAR))):
        verdict = client.scan(pieces(infected))
        assert (verdict.outcome, verdict.finding) == (ScanOutcome.BLOCKED, "Etma.Test.EICAR.UNOFFICIAL")


def test_what_it_passes_over_is_never_called_clean(clamd: ClamdProcess) -> None:
    client = Clamd.from_url(clamd.address)
    large = b"x" * (LARGEST_FILE_BYTES + 1) + EICAR
    for passed_over, finding in (
        (large, "Heuristics.Limits.Exceeded.MaxFileSize"),
        (packed(large), "Heuristics.Limits.Exceeded.MaxScanSize"),
        (b"x" * (LARGEST_STREAM_BYTES + 1), "StreamMaxLength"),
        (b"x" * (4 * LARGEST_STREAM_BYTES), "StreamMaxLength"),
    ):
        verdict = client.scan(pieces(passed_over))
        assert (verdict.outcome, verdict.finding) == (ScanOutcome.UNSCANNABLE, finding)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_whole_line_goes_on_while_clamd_is_away_and_gives_tutors_clean_work_alone(
    tmp_path: Path, clamd: ClamdProcess
) -> None:
    """Two scanners at one queue; clamd is killed while work comes in."""
    wanted = (*LINE, "marking.api", "submission.scanner", "submission.scanner.2")
    with (
        new_cluster(tmp_path, scanner_url=clamd.address, operations_mail="operations@example.org") as cluster,
        roles(cluster.environment, *wanted) as running,
    ):
        for role in running.values():
            role.wait_until_ready()
        clamd.kill()
        infected = cluster.hand_in(running["submission.api"], ANN, content=PDF + EICAR)
        clean = cluster.hand_in(running["submission.api"], BEN)
        assert (infected.status_code, clean.status_code) == (201, 201)
        running["submission.scanner"].wait_until({"submission.scanning": "waits: scanner_away"})
        assert running["submission.api"].readiness() == {}
        sign_in = cluster.system.identity.sessions.sign_in

        def collected(tutor: str, work: httpx.Response) -> httpx.Response:
            return httpx.post(
                f"{running['marking.api'].url}/api/v1/scripts/{work.json()['work_id']}/collection",
                headers={"authorization": f"Bearer {sign_in(role='tutor', identifier=tutor)}"},
                trust_env=False,
                timeout=SECONDS,
            )

        until(lambda: collected(OTHER_TUTOR, clean).json().get("code") == "being_checked")
        clamd.start()
        cluster.settle()
        assert collected(OTHER_TUTOR, clean).status_code == 200
        answer = collected(TUTOR, infected)
        assert (answer.status_code, answer.json()["code"]) == (409, "malware_found")
        cluster.settle()
        inspections = cluster.system.inspections()
        said = [str(row["type"]).split(".")[-2] for row in inspections["submission"].facts("outbox")]
        told = [row["purpose"] for row in inspections["notifier"].facts("obligations")]
        assert said.count("SubmissionScanned") == 2
        assert (told.count("malware_found"), told.count("work_blocked")) == (1, 1)
        assert cluster.audit().violations == []
