"""A real Chromium against the real server."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from services.embedded import Embedded
from services.intake.catalogue import load_demo
from shared.settings import Settings

FLAGS = [
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    assert Path(program).exists(), f"there is no browser at {program}: run the tests by `make test`"
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    return {**browser_type_launch_args, "executable_path": program, "args": flags}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The demo university, served on a free port; `address` is where."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("demo")
    system = Embedded(Settings(data_dir=folder, demo=True, port=port, digest_window_seconds=0))
    load_demo(system)
    system.start()
    server = uvicorn.Server(uvicorn.Config(system.app(), port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield system
    server.should_exit = True
    thread.join()
    system.stop()


@pytest.fixture
def base_url(demo: Embedded) -> str:
    return demo.platform.settings.address
