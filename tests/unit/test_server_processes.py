from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.servers import ports
from deploy.servers.ports import HOST, free_port
from deploy.servers.process import DidNotStart, ServerProcess

LOWEST_EPHEMERAL = 32_768
SECONDS = 10
LISTENS = """
import socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    time.sleep(60)
"""


class Listener(ServerProcess):
    """A server as small as can be."""

    name = "listener"

    @property
    def address(self) -> str:
        return f"tcp://{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", LISTENS, str(self.port), str(self.folder)]

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


class Broken(Listener):
    @property
    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", "raise SystemExit('no room on the disk')"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Listener]:
    server = Listener(tmp_path / "listener")
    yield server
    server.kill()


def test_a_started_server_answers_and_a_killed_one_starts_again_at_its_port(server: Listener) -> None:
    server.start()
    server.kill()
    assert not server.answers()
    server.start()
    assert server.answers()


def test_another_program_finds_a_server_by_its_folder_and_stops_it(server: Listener) -> None:
    server.start()
    another = Listener(server.folder, server.port)
    assert another.pid == server.pid
    another.stop()
    assert server._child is not None
    server._child.wait(SECONDS)
    assert server.pid is None
    assert another.pid is None


def test_the_id_of_a_process_that_is_somebody_elses_by_now_is_not_ours_to_kill(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    assert Listener(tmp_path).pid is None


def test_a_server_that_ends_says_why(tmp_path: Path) -> None:
    with pytest.raises(DidNotStart, match="no room on the disk"):
        Broken(tmp_path).start()


def test_one_that_finds_its_port_taken_does_not_pass_for_the_other(server: Listener, tmp_path: Path) -> None:
    server.start()
    with pytest.raises(DidNotStart, match=f"somebody else listens on port {server.port}"):
        Listener(tmp_path / "second", server.port).start()


def test_a_port_is_given_to_one_only_also_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = random.randrange(15_000, 18_000)  # where nobody else looks for ports
    monkeypatch.setattr(ports, "LOWEST", first)
    monkeypatch.setattr(ports, "BELOW", first + 50)
    given = [free_port() for _ in range(49)]
    elsewhere = f"from deploy.servers import ports; ports.LOWEST, ports.BELOW = {first}, {first + 50}"
    command = [sys.executable, "-c", f"{elsewhere}; print(ports.free_port())"]
    other = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert sorted([*given, other]) == list(range(first, first + 50))


def test_no_outgoing_connection_is_given_the_port_of_a_stopped_server() -> None:
    assert all(free_port() < LOWEST_EPHEMERAL for _ in range(50))
