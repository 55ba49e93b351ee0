"""The whole system as a process that dies when a test says so."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx

from deploy.servers.ports import free_port
from tests.support.oulad import environment_of

SECONDS = 60


@dataclass
class Server:
    """The whole system as a process that may die at any moment."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **more: str) -> None:
        settings = {"ETMA_PORT": str(self.port), "ETMA_LOG_LEVEL": "ERROR", **more}
        command = [sys.executable, "-m", "services", "serve"]
        self.process = subprocess.Popen(command, env=environment_of(self.data_dir, settings), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS
        while not self.is_ready():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def dies(self) -> None:
        """Wait for the kill that was asked for."""
        assert self.process
        assert self.process.wait(SECONDS) == -signal.SIGKILL
        self.process = None

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
