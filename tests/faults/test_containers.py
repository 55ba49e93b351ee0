"""The containers beside a command end with it, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from docker import from_env

from deploy.setup import docker
from tests.support.containers import LABEL, TERMINATED
from tests.support.servers import NAMES, variable

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        not docker.answers(),
        reason="no Docker engine answers",
    ),
]


def beside_a_mail_server(*command: str) -> subprocess.Popen[bytes]:
    others = {variable(name): "elsewhere" for name in NAMES if name != "smtp"}
    environment = {**os.environ, **others}
    environment.pop(variable("smtp"), None)
    return subprocess.Popen([sys.executable, "-m", "tests.support.containers", *command], env=environment)


def containers_of(pid: int) -> int:
    engine = from_env()
    found = engine.containers.list(all=True, filters={"label": f"{LABEL}={pid}"})
    engine.close()
    return len(found)


def when_it_runs(mark: Path) -> None:
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_exit_code_is_the_commands_and_nothing_is_left() -> None:
    with beside_a_mail_server("sh", "-c", "exit 3") as program:
        assert program.wait(60) == 3
    assert containers_of(program.pid) == 0


def test_a_terminated_run_leaves_no_container(tmp_path: Path) -> None:
    with beside_a_mail_server("sh", "-c", f"touch {tmp_path}/runs; exec sleep 60") as program:
        when_it_runs(tmp_path / "runs")
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == TERMINATED
    assert containers_of(program.pid) == 0


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/runs.new; mv {tmp_path}/runs.new {tmp_path}/runs; exec sleep 60"
    with beside_a_mail_server("sh", "-c", script) as killed:
        when_it_runs(tmp_path / "runs")
        killed.kill()
    os.kill(int((tmp_path / "runs").read_text()), signal.SIGKILL)
    assert containers_of(killed.pid) == 1
    with beside_a_mail_server("true") as following:
        assert following.wait(60) == 0
    assert containers_of(killed.pid) == 0
