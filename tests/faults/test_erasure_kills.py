"""Killed with -9 in the middle of an erasure, in the command and in the services: the same command finishes it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.servers.ports import free_port
from services.intake.catalogue import take_in
from tests.support.oulad import environment_of, etma
from tests.support.persons import CONTENT, ERASURE_POINTS, FILE_NAME, ZEB, ref_of, traces_under, university
from tests.support.university import TUTOR, running_town

pytestmark = pytest.mark.long
SECONDS = 60
SETTINGS = {"ETMA_KEPT_DAYS": "0", "ETMA_DIGEST_WINDOW_SECONDS": "0"}
IN_THE_COMMAND = ("person.checked", "identity.before_commit", "identity.committed", "persons.forgotten")
IN_THE_SERVICES = ("relay.acknowledged", "bus.appended", "consumer.applied", *ERASURE_POINTS[1:])
"""Each is reached by a service that goes on where the kill before stopped it."""


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, str]:
    """A folder that nobody runs on, with a person whose presentation is over, and their reference."""
    with running_town(tmp_path, university(), kept_days=0) as town:
        work_id = town.hand_in(ZEB, content=CONTENT, name=FILE_NAME).json()["work_id"]
        town.settle()
        town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR)
        take_in(town.system, university(over=True))
        town.settle()
        return tmp_path / "var", ref_of(town, ZEB)


def erase(folder: Path, person_ref: str, *more: str, point: str = "") -> subprocess.CompletedProcess[str]:
    words = ("person", "erase", person_ref, "--reason", "asked for it", "--yes", *more)
    kill = {"ETMA_KILL_POINT": point} if point else {}
    return etma(*words, data_dir=folder, environment={**SETTINGS, **kill})


@contextmanager
def serving(folder: Path, more: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    settings = {**SETTINGS, **more, "ETMA_PORT": str(free_port()), "ETMA_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "services", "serve"]
    with subprocess.Popen(command, env=environment_of(folder, settings), stdout=subprocess.DEVNULL, text=True) as run:
        try:
            yield run
        finally:
            run.kill()


def test_a_kill_at_every_step_leaves_nothing_that_the_same_command_does_not_finish(place: tuple[Path, str]) -> None:
    folder, person_ref = place
    for point in IN_THE_COMMAND:
        killed = erase(folder, person_ref, "--wait", "0", point=point)
        assert killed.returncode == -signal.SIGKILL, f"{point} was not reached: {killed.stdout}{killed.stderr}"
    started = erase(folder, person_ref, "--wait", "0", "--json")
    assert started.returncode == 1, started.stdout + started.stderr
    told = json.loads(started.stdout)["services"]
    assert told["marking"] == "has not heard of it yet"
    assert told["identity"].startswith("nothing is left since")
    for point in IN_THE_SERVICES:
        with serving(folder, {"ETMA_KILL_POINT": point}) as run:
            assert run.wait(SECONDS) == -signal.SIGKILL, f"{point} was not reached"
    with serving(folder, {}):
        done = erase(folder, person_ref, "--wait", str(SECONDS))
        assert done.returncode == 0, done.stdout + done.stderr
    assert list(traces_under(folder)) == []
    audit = etma("audit", "--settled", data_dir=folder, environment=SETTINGS)
    assert audit.returncode == 0, audit.stdout + audit.stderr
