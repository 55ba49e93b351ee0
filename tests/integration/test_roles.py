"""Each role of each service as a process of its own, on the embedded adapters."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from deploy.servers.ports import free_port
from services.intake.catalogue import take_in
from services.system import System
from shared.roles import FAILED
from shared.settings import Settings
from tests.support.oulad import environment_of
from tests.support.processes import Role, roles
from tests.support.university import ANN, PDF, TMA, small_university

FRESH_SECONDS = 2
LINE = (
    "identity.api",
    "submission.api",
    "submission.relay",
    "identity.relay",
    "marking.worker",
    "marking.relay",
    "notifier.worker",
    "notifier.timers",
    "notifier.sender",
)
SECONDS = 30
FORM = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' + PDF + b"\r\n--b--\r\n"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """The small university, taken in; nothing runs."""
    system = System(Settings(data_dir=tmp_path / "var"))
    take_in(system, small_university())
    yield system
    system.platform.close()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    return environment_of(folder / "var", {"ETMA_LOG_LEVEL": "WARNING", "ETMA_DIGEST_WINDOW_SECONDS": "0", **settings})


def test_work_goes_from_the_student_to_the_tutor_through_processes(system: System, tmp_path: Path) -> None:
    with roles(environment(tmp_path), *LINE) as running:
        for role in running.values():
            role.wait_until_ready()
        token = system.identity.sessions.sign_in(role="student", identifier=ANN)
        answer = hand_in(running["submission.api"], token)
        assert answer.status_code == 201, answer.text
        wait_until(lambda: len(list((tmp_path / "var" / "mail").glob("*/*.eml"))) == len(["receipt", "tutor's news"]))
        (script,) = system.inspections()["marking"].facts("scripts")
        assert script["state"] == "allocated"
        assert {name: role.stop() for name, role in running.items()} == dict.fromkeys(running, 0)


def test_a_session_that_ended_at_identity_is_over_everywhere(system: System, tmp_path: Path) -> None:
    fresh = {"ETMA_SESSION_FRESH_SECONDS": str(FRESH_SECONDS)}
    with roles({**environment(tmp_path), **fresh}, "identity.api", "submission.api") as running:
        for role in running.values():
            role.wait_until_ready()
        token = system.identity.sessions.sign_in(role="student", identifier=ANN)
        assert work(running["submission.api"], token) == 200
        running["identity.api"].kill()
        time.sleep(FRESH_SECONDS)
        assert work(running["submission.api"], token) == 200  # what identity said a moment ago is believed
        other = system.identity.sessions.sign_in(role="student", identifier=ANN)
        session = system.identity.callers.by_bearer(token).principal
        system.identity.sessions.sign_out(session.session_id)
        running["identity.api"].start()
        running["identity.api"].wait_until_ready()
        time.sleep(FRESH_SECONDS)
        assert work(running["submission.api"], token) == 303  # to the sign-in
        assert work(running["submission.api"], other) == 200


def test_a_process_waits_for_its_tables_and_says_so(tmp_path: Path) -> None:
    with roles(environment(tmp_path), "marking.relay") as running:
        relay = running["marking.relay"]
        relay.wait_until({"marking": "waits: not_migrated"})
        migrated = subprocess.run(
            [sys.executable, "-m", "services.marking", "migrate"], env=environment(tmp_path), check=False
        )
        assert migrated.returncode == 0
        relay.wait_until_ready()


def test_who_comes_while_a_service_starts_is_asked_to_come_again(tmp_path: Path) -> None:
    with roles(environment(tmp_path), "submission.api") as running:
        api = running["submission.api"]
        api.wait_until({"submission": "waits: not_migrated"})
        answer = hand_in(api, "a token")
        assert (answer.status_code, answer.json()["code"]) == (503, "starting")
        assert int(answer.headers["retry-after"]) > 0
        page = httpx.get(f"{api.url}/work", headers={"cookie": "etma_session=any"}, trust_env=False)
        assert (page.status_code, "Please try again" in page.text) == (503, True)


def test_who_is_handing_in_while_a_service_stops_is_answered(system: System, tmp_path: Path) -> None:
    with roles(environment(tmp_path), "identity.api", "submission.api") as running:
        for role in running.values():
            role.wait_until_ready()
        api = running["submission.api"]
        token = system.identity.sessions.sign_in(role="student", identifier=ANN)
        assert api.process is not None
        half_sent, ended = threading.Event(), threading.Event()

        def content() -> Iterator[bytes]:
            head, tail = FORM[: len(FORM) // 2], FORM[len(FORM) // 2 :]
            yield head
            half_sent.set()
            ended.wait(SECONDS)
            yield tail

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, api, token, content())
            assert half_sent.wait(SECONDS)
            api.process.send_signal(signal.SIGTERM)
            wait_until(lambda: api.readiness() is None)
            ended.set()
            assert answer.result().status_code == 201
        assert api.process.wait(SECONDS) == 0


def test_a_loop_that_failed_ends_its_process(system: System, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "var" / "marking.db") as database:
        database.execute("DROP TABLE timer")
    with roles(environment(tmp_path), "marking.timers") as running:
        timers = running["marking.timers"]
        assert timers.process is not None
        assert timers.process.wait(SECONDS) == FAILED
        assert "role.failed" in timers.said()


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ([], {}, "the following arguments are required: role"),
        (["cook"], {}, "invalid choice: 'cook'"),
        (["api"], {"ETMA_HOST": "192.0.2.1"}, "cannot be listened on"),
        (["relay"], {"ETMA_BUS_URL": "amqp://broker"}, "known are local:// and kafka://"),
    ],
)
def test_what_cannot_run_says_why_and_ends(
    system: System, tmp_path: Path, arguments: list[str], settings: dict[str, str], words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.marking", *arguments],
        env=environment(tmp_path, ETMA_PORT=str(free_port()), **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("service", ["identity", "submission", "marking", "notifier", "operations"])
def test_a_service_imports_the_client_of_no_server(service: str) -> None:
    vendors = {"kafka", "faust", "aiokafka", "minio", "psycopg", "alembic"}
    code = f"import sys, shared.roles, services.{service}.service; print({vendors!r} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def hand_in(api: Role, token: str) -> httpx.Response:
    return post(api, token, FORM)


def post(api: Role, token: str, content: bytes | Iterator[bytes]) -> httpx.Response:
    return httpx.post(
        f"{api.url}/api/v1/assignments/{TMA}/submissions",
        content=content,
        headers={
            "authorization": f"Bearer {token}",
            "idempotency-key": str(uuid.uuid4()),
            "content-type": "multipart/form-data; boundary=b",
        },
        trust_env=False,
        timeout=SECONDS,
    )


def work(api: Role, token: str) -> int:
    """The status of the student's list of assignments."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{api.url}/work", headers=headers, trust_env=False, timeout=SECONDS).status_code


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_role_that_scans_without_a_scanner_says_what_is_missing_and_ends(system: System, tmp_path: Path) -> None:
    with roles(environment(tmp_path), "submission.scanner") as running:
        role = running["submission.scanner"]
        assert role.process is not None
        assert role.process.wait(SECONDS) == 2
        assert "ETMA_SCANNER_URL: say where the scanner is" in role.said()
