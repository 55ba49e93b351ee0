"""Roles of services as processes of their own, and questions to them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

import httpx2 as httpx

from deploy.servers.ports import free_port
from deploy.servers.process import ServerProcess

SECONDS = 90
"""To be ready: on a small machine thirty of them start at once."""

STOP_SECONDS = 12
REPLAYED = ("submission.api", "marking.api")


@dataclass
class Role:
    """One process: `python -m services.<service> <role>`.

    What it says goes into a file: a pipe that nobody reads would stop it when it is full.
    """

    service: str
    role: str
    environment: Mapping[str, str]
    port: int
    log: IO[str]
    process: subprocess.Popen[str] | None = None

    def start(self, **more: str) -> None:
        """With more in its environment than it has at other times."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"services.{self.service}", self.role],
            env=os.environ | self.environment | {"ETMA_PORT": str(self.port)} | more,
            stderr=self.log,
            text=True,
        )

    def said(self) -> str:
        """What it wrote to stderr, through all its starts."""
        self.log.seek(0)
        return self.log.read()

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self.process is not None
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def readiness(self) -> dict[str, str] | None:
        """The parts that are not well, empty when it is ready; None when nobody answers."""
        try:
            answer = httpx.get(f"{self.url}/readyz", trust_env=False, timeout=5)
        except httpx.TransportError:
            return None
        problems: dict[str, str] = answer.json()["problems"]
        assert (answer.status_code == 200) == (not problems)
        return problems

    def wait_until_ready(self) -> None:
        self.wait_until({})

    def wait_until(self, wanted: Mapping[str, str]) -> None:
        """Until its readiness says exactly this."""
        deadline = time.monotonic() + SECONDS
        while (found := self.readiness()) != wanted:
            assert self.process is not None
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def die_at(self, point: str) -> None:
        """Start it anew and wait until it has been killed at this point (`shared/killpoints.py`)."""
        self.kill()
        self.start(ETMA_KILL_POINT=point)
        assert self.process is not None
        assert self.process.wait(SECONDS) == -signal.SIGKILL, self.said()

    def start_again_if_ended(self) -> None:
        """As its supervisor would."""
        if self.process is not None and self.process.poll() is not None:
            self.start()

    def kill(self) -> None:
        """As a power cut would, as far as this process is concerned."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """By SIGTERM; the exit code. Fails when it takes longer than twelve seconds."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code, self.process = self.process.wait(STOP_SECONDS), None
        return code


def replay_options(running: Mapping[str, Role]) -> list[str]:
    """Where `etma replay` finds all processes that take work in and give it to tutors."""
    return [f"--{role.service}={role.url}" for role in running.values() if f"{role.service}.{role.role}" in REPLAYED]


@contextmanager
def roles(environment: Mapping[str, str], *wanted: str) -> Iterator[dict[str, Role]]:
    """Processes named like `marking.worker` or, the second, `marking.worker.2`; killed at the end.

    All are started and none is waited for.
    """
    ports = {name: free_port() for name in wanted}
    places = {
        f"ETMA_{name.removesuffix('.api').upper()}_URL": f"http://127.0.0.1:{port}"
        for name, port in ports.items()
        if name.endswith(".api")
    }
    with contextlib.ExitStack() as stack:
        started = {
            name: Role(*name.split(".")[:2], {**environment, **places}, port, stack.enter_context(TemporaryFile("a+")))
            for name, port in ports.items()
        }
        for role in started.values():
            stack.callback(role.kill)
            role.start()
        yield started


def again(process: Role | ServerProcess) -> None:
    """Kill it and start it anew."""
    process.kill()
    process.start()
