"""A server as a plain process: its data in its folder, its port the same after each start.

The process outlives the program that started it; another one finds it again by its folder. Linux only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from deploy.servers.ports import HOST, free_port, taken

START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05


class DidNotStart(Exception):
    """The server ended, or did not answer in time; the text has the end of its log."""


class ServerProcess(ABC):
    """What all have in common; a kind of server says what it runs, and when that answers."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    environment: ClassVar[Mapping[str, str]] = {}
    start_seconds: ClassVar[float] = START_SECONDS

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder.absolute()
        self.port = port or free_port()
        self.log = self.folder / "log"
        self._pid_file = self.folder / "pid"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def address(self) -> str:
        """The URL in the form that the settings have it."""

    @property
    @abstractmethod
    def command(self) -> Sequence[str]:
        """What runs; one of its words names the folder, by which the process is known again."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server does its work now."""

    def prepare(self) -> None:  # noqa: B027 - most kinds need nothing
        """Make what has to be there before each start."""

    @property
    def pid(self) -> int | None:
        """Of the process that runs in the folder, whoever started it; an id that is another's by now is none."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        if not self._pid_file.exists():
            return None
        pid = int(self._pid_file.read_text(encoding="ascii"))
        return pid if str(self.folder) in _command_of(pid) else None

    def start(self) -> None:
        """Start it and wait until it answers; does nothing when it runs; raises `DidNotStart`."""
        if self.pid is not None:
            return
        if taken(self.port):
            raise DidNotStart(f"{self.name}: somebody else listens on port {self.port}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._child.pid), encoding="ascii")
        deadline = time.monotonic() + self.start_seconds
        while not self.answers():
            if self.pid is None or time.monotonic() > deadline:
                self.kill()
                raise DidNotStart(f"{self.name}: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(LOOK_SECONDS)

    def kill(self) -> None:
        """End it at once, with the processes that it made, as a failing machine would."""
        pid = self.pid
        if pid is None:
            return
        victims = (pid, *_children(pid))
        for victim in victims:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        self._wait_for_end(victims)

    def stop(self) -> None:
        """End it in its own way, and by force when that takes too long."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, self.stop_signal)
        if not self._wait_for_end((pid,)):
            self.kill()

    def _wait_for_end(self, pids: Iterable[int]) -> bool:
        deadline = time.monotonic() + STOP_SECONDS
        while self.pid is not None or any(_command_of(pid) for pid in pids):
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True


class HttpServer(ServerProcess):
    """One that answers with 200 at a path when it is ready."""

    health: ClassVar[str]

    def answers(self) -> bool:
        return responds(f"http://{HOST}:{self.port}{self.health}")


def responds(url: str) -> bool:
    """Whether something answers there with a success."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - the callers' own http://
            return True
    except (urllib.error.URLError, OSError):
        return False


def _command_of(pid: int) -> str:
    """Its command line; empty when it is gone, or ended and nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _children(parent: int) -> list[int]:
    return [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == parent]


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
