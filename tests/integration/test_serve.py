"""`etma serve --demo` as a newcomer runs it: it says where to go, stops cleanly, and goes on where it was."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx

from tests.support.oulad import etma

SECONDS = 30
STUDENT = "P4000001"


@contextmanager
def served(
    data_dir: Path, *, stop_by: signal.Signals = signal.SIGINT
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, str]]:
    """The process, a client of it, and what it printed; ended by Ctrl-C or another signal, which must be clean."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETMA_")}
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "services", "serve", "--demo"],
        env={**environment, "ETMA_DATA_DIR": str(data_dir), "ETMA_PORT": str(port), "ETMA_LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            printed = _wait_for(client, process)
            yield process, client, printed
        process.send_signal(stop_by)
        said, complaints = process.communicate(timeout=SECONDS)
        assert (process.returncode, complaints) == (0, "")
        assert "Everything is kept" in said
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


def hand_in(client: httpx.Client) -> str:
    """Hand in by the plain form; the address of the receipt."""
    client.post("/sign-in", data={"identifier": STUDENT, "role": "student"})
    page = client.get("/work", follow_redirects=True).text
    assignment = re.search(r'href="(/assignments/[^"]+TMA02)"', page)
    assert assignment
    form = re.search(r'action="([^"]+csrf_token[^"]+)"', client.get(assignment[1]).text)
    assert form
    answer = client.post(form[1].replace("&amp;", "&"), files={"file": ("answer.pdf", b"%PDF-1.4\nmine\n")})
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_a_newcomer_hands_in_stops_it_and_finds_the_receipt_after_the_next_start(tmp_path: Path) -> None:
    with served(tmp_path / "var") as (_, client, printed):
        assert "Ctrl-C stops it" in printed
        assert f"{STUDENT}, student" in printed
        receipt = hand_in(client)
    with served(tmp_path / "var", stop_by=signal.SIGTERM) as (_, client, _):
        client.post("/sign-in", data={"identifier": STUDENT, "role": "student"})
        assert "Your work was received" in client.get(receipt).text


def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "var"):
        second = etma("serve", data_dir=tmp_path / "var", environment={"ETMA_PORT": "0"})
        assert second.returncode == 2
        assert "is running on" in second.stderr
