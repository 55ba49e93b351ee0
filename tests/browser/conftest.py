"""A real Chromium against the real server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.servers.ports import free_port
from services.cluster import ClusterSystem
from services.embedded import Embedded
from services.intake.catalogue import load_demo
from shared.settings import Settings
from shared.web.server import HttpThread
from tests.support.cluster import EVERYTHING, environment_for, own_places, twice
from tests.support.gateway import served_gateway
from tests.support.processes import roles

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


@dataclass(frozen=True)
class Demo:
    """The demo university, served at `address`; `system` tells when nothing is in flight."""

    system: Embedded | ClusterSystem
    address: str


@pytest.fixture(scope="module", params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Once in one process, once as processes on real servers."""
    serve = {"embedded": embedded_demo, "cluster": cluster_demo}[request.param]
    with serve(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@contextmanager
def embedded_demo(folder: Path) -> Iterator[Demo]:
    port = free_port()
    system = Embedded(Settings(data_dir=folder, demo=True, port=port, digest_window_seconds=0))
    load_demo(system)
    system.start()
    server = HttpThread(system.app(), host="127.0.0.1", port=port)
    server.start()
    yield Demo(system, server.address)
    server.stop()
    system.stop()


@contextmanager
def cluster_demo(folder: Path) -> Iterator[Demo]:
    with own_places(folder) as settings:
        offered = settings.model_copy(update={"demo": True})
        system = ClusterSystem(offered)
        load_demo(system)
        with roles(environment_for(offered), *twice(EVERYTHING)) as running, served_gateway(running) as address:
            for role in running.values():
                role.wait_until_ready()
            yield Demo(system, address)
        system.platform.close()


@pytest.fixture
def base_url(demo: Demo) -> str:
    return demo.address
