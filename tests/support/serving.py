"""The system as a process of its own, and clients of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

from deploy.servers.ports import free_port
from tests.support.oulad import environment_of

SECONDS = 30


@dataclass(frozen=True)
class Served:
    """`printed` is what it said at its start; `client` talks to it."""

    process: subprocess.Popen[str]
    client: httpx.Client
    port: int
    data_dir: Path
    printed: str


@contextmanager
def served(data_dir: Path, *, stop_by: signal.Signals = signal.SIGINT) -> Iterator[Served]:
    """`etma serve --demo` on a free port; ended by Ctrl-C or another signal, which must be clean."""
    port = free_port()
    settings = {"ETMA_PORT": str(port), "ETMA_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "services", "serve", "--demo"],
        env=environment_of(data_dir, settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=SECONDS) as client:
            printed = _wait_for(client, process)
            yield Served(process, client, port, data_dir, printed)
        process.send_signal(stop_by)
        said, complaints = process.communicate(timeout=SECONDS)
        assert (process.returncode, complaints) == (0, "")
        assert "Everything is kept" in said
    finally:
        process.kill()
        process.wait()


def peak_bytes(pid: int) -> int:
    """The most memory that the process ever had (its peak resident set)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _wait_for(client: httpx.Client, process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            if client.get("/readyz").status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    assert process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    return process.stdout.read()
