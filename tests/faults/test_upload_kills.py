"""Killed with -9 at every durable step of an upload that can be resumed: it goes on, and the bytes are the same."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import httpx2 as httpx
import pytest

from services.intake.catalogue import take_in
from services.opening import opened_or_new
from tests.support import javascript_client, python_client
from tests.support.cluster import new_cluster
from tests.support.databases import settings_in
from tests.support.dying import Server
from tests.support.javascript_client import path_in
from tests.support.oulad import (
    assert_audit_clean,
    assert_whole,
    etma,
    figures,
    replay,
    small_dataset,
)
from tests.support.processes import roles
from tests.support.uploading import MEBIBYTE, UMA, UPLOAD_POINTS, Uploader, film_school, text_of

pytestmark = pytest.mark.long
SECONDS = 60
LARGE, SMALL = 17 * MEBIBYTE, 1000
MOMENTS = (
    (LARGE, "upload.piece_durable:2"),
    (LARGE, "upload.piece_noted:2"),
    (LARGE, "upload.piece_noted:4"),
    (LARGE, "upload.checking"),
    (LARGE, "upload.copied"),
    (LARGE, "upload.ready"),
    (SMALL, "upload.copied"),
    (SMALL, "upload.confirmed"),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "var")
    yield server
    server.kill()


@pytest.fixture
def uma(server: Server) -> Uploader:
    """A student of the system, which does not run yet."""
    with opened_or_new(settings_in(server.data_dir)) as system:
        take_in(system, film_school())
        token = system.identity.sessions.sign_in(role="student", identifier=UMA)
    return Uploader([server.address], token)


def test_every_moment_is_one_of_these() -> None:
    assert {point.partition(":")[0] for _, point in MOMENTS} == set(UPLOAD_POINTS)


@pytest.mark.sqlite
@pytest.mark.parametrize(("size_bytes", "moment"), MOMENTS)
def test_an_upload_survives_a_kill(server: Server, uma: Uploader, size_bytes: int, moment: str) -> None:
    content = text_of(size_bytes)
    server.start(ETMA_KILL_POINT=moment)
    path = uma.begin(len(content))
    with dying():
        uma.resume(path, content)
        uma.wait_for(path, "ready")
        uma.confirm(path)
    server.dies()
    server.start()
    uma.resume(path, content)
    ready = uma.wait_for(path, "confirmed" if moment == "upload.confirmed" else "ready")
    assert ready["sha256"] == hashlib.sha256(content).hexdigest()
    accepted = uma.confirm(path)
    assert (accepted.status_code, accepted.json()["version"]) == (201, 1)
    assert uma.confirm(path).json() == accepted.json()
    assert_audit_is_clean(server)


@contextmanager
def dying() -> Iterator[None]:
    """The answer to one of the requests does not come."""
    with pytest.raises(httpx.TransportError):
        yield


def assert_audit_is_clean(server: Server) -> None:
    """Once what is under way has come to rest; it reads the bytes of all versions."""
    deadline = time.monotonic() + SECONDS
    while (audit := etma("audit", "--settled", data_dir=server.data_dir, environment={})).returncode == 1:
        assert time.monotonic() < deadline, audit.stdout
    assert audit.returncode == 0, audit.stdout + audit.stderr


def by_tuspy(address: str, student: Uploader, file: Path) -> str:
    """One request for all, tried again each second; the upload's path."""
    return python_client.upload(address, student, file, retries=SECONDS, retry_delay=1)


def by_javascript(address: str, student: Uploader, file: Path) -> str:
    return path_in(javascript_client.upload(address, student.token, file, patient=True))


Client = Callable[[str, Uploader, Path], str]
CLIENTS = pytest.mark.parametrize("client", [by_tuspy, by_javascript])


@pytest.mark.sqlite
@CLIENTS
@pytest.mark.parametrize(("size_bytes", "moment"), [each for each in MOMENTS if each[1] != "upload.confirmed"])
def test_a_client_goes_on_by_itself(
    server: Server, uma: Uploader, tmp_path: Path, client: Client, size_bytes: int, moment: str
) -> None:
    """Nobody helps it: the server is killed and started anew while it uploads."""
    file = tmp_path / "film.txt"
    file.write_bytes(text_of(size_bytes))
    server.start(ETMA_KILL_POINT=moment)
    with ThreadPoolExecutor() as thread:
        uploading = thread.submit(client, server.address, uma, file)
        server.dies()
        server.start()
        path = uploading.result(SECONDS)
    is_handed_in(uma, path, file)
    assert_audit_is_clean(server)


def is_handed_in(student: Uploader, path: str, file: Path) -> None:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert student.wait_for(path, "ready")["sha256"] == sha256
    accepted = student.confirm(path)
    assert (accepted.status_code, accepted.json()["sha256"]) == (201, sha256)


@pytest.mark.cluster
@CLIENTS
@pytest.mark.parametrize("moment", ["upload.piece_durable:2", "upload.piece_noted:2"])
def test_a_client_goes_on_by_itself_on_real_servers(tmp_path: Path, client: Client, moment: str) -> None:
    """What its web process had in hand is with PostgreSQL and the store; the lease of the dead one ends by itself."""
    file = tmp_path / "film.txt"
    file.write_bytes(text_of(LARGE))
    names = ("identity.api", "submission.api", "submission.timers")
    with new_cluster(tmp_path) as cluster, roles(cluster.environment, *names) as running:
        take_in(cluster.system, film_school())
        token = cluster.system.identity.sessions.sign_in(role="student", identifier=UMA)
        for role in running.values():
            role.wait_until_ready()
        api = running["submission.api"]
        api.kill()
        api.start(ETMA_KILL_POINT=moment)
        api.wait_until_ready()
        student = Uploader([api.url], token)
        with ThreadPoolExecutor() as thread:
            uploading = thread.submit(client, api.url, student, file)
            assert api.process
            assert api.process.wait(SECONDS) == -signal.SIGKILL
            api.start()
            path = uploading.result(SECONDS)
        is_handed_in(student, path, file)


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("dies", "moment"),
    [
        ("submission.api", "upload.piece_durable:2"),
        ("submission.api", "upload.piece_noted:2"),
        ("submission.timers", "upload.checking"),
        ("submission.timers", "upload.copied"),
        ("submission.timers", "upload.ready"),
    ],
)
def test_what_one_process_began_another_goes_on_with(tmp_path: Path, dies: str, moment: str) -> None:
    """On real servers; the lease of the dead one ends by itself."""
    content = text_of(LARGE)
    names = ("identity.api", "submission.api", "submission.api.2", "submission.timers", "submission.timers.2")
    with new_cluster(tmp_path) as cluster, roles(cluster.environment, *names) as running:
        take_in(cluster.system, film_school())
        token = cluster.system.identity.sessions.sign_in(role="student", identifier=UMA)
        for role in running.values():
            role.wait_until_ready()
        if dies == "submission.timers":
            running["submission.timers.2"].kill()
        running[dies].kill()
        running[dies].start(ETMA_KILL_POINT=moment)
        running[dies].wait_until_ready()
        first, other = (Uploader([running[name].url], token) for name in ("submission.api", "submission.api.2"))
        path = first.begin(len(content))
        with dying() if dies == "submission.api" else nullcontext():
            first.resume(path, content)
        died = running[dies].process
        assert died
        assert died.wait(SECONDS) == -signal.SIGKILL
        if dies == "submission.timers":
            running["submission.timers.2"].start()
        other.resume(path, content)
        assert other.wait_for(path, "ready")["sha256"] == hashlib.sha256(content).hexdigest()
        accepted = other.confirm(path)
        assert (accepted.status_code, accepted.json()["sha256"]) == (201, hashlib.sha256(content).hexdigest())


def test_a_replay_by_tus_comes_to_the_same_end_over_kills_in_the_middle_of_uploads(tmp_path: Path) -> None:
    dataset, data_dir = small_dataset(tmp_path / "oulad"), tmp_path / "var"
    for point in UPLOAD_POINTS:
        killed = replay(dataset, data_dir, "--tus", environment={"ETMA_KILL_POINT": f"{point}:20"})
        assert killed.returncode == -signal.SIGKILL, f"{point} was not reached: {killed.stdout}{killed.stderr}"
    assert_whole(figures(replay(dataset, data_dir, "--tus")))
    assert_audit_clean(data_dir)
