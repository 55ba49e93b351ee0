"""Runs a command beside real servers in containers: `python -m tests.support.containers pytest -m cluster`.

A server whose address the environment has already is not started. The containers carry this process's id, and are
removed when the command ends; what a killed run left is removed by the next one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # before the import, which reads it: containers are removed here

import docker
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy, HttpWaitStrategy, LogMessageWaitStrategy, WaitStrategy

from deploy.servers.kafka import SINGLE_BROKER, STARTED
from deploy.servers.names import images_env
from deploy.servers.ports import HOST, free_port
from tests.support.servers import is_given, variable

USER, SECRET = "etma", "etma-secret"
LABEL = "etma.tests"
START_SECONDS = 60
TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True, kw_only=True)
class Server:
    """What runs in a container, with the addresses by which tests reach it."""

    image: str
    addresses: Mapping[str, str]
    ports: Mapping[int, int]
    ready: WaitStrategy
    environment: Mapping[str, str]
    command: Sequence[str] = ()

    @property
    def wanted(self) -> bool:
        """Whether the environment lacks one of its addresses."""
        return not all(map(is_given, self.addresses))

    def start(self) -> None:
        """Start it and wait until it answers; raises TimeoutError or RuntimeError."""
        container = DockerContainer(
            images_env()[self.image],
            env=dict(self.environment),
            command=list(self.command) or None,
            labels={LABEL: str(os.getpid())},
            _wait_strategy=self.ready.with_startup_timeout(START_SECONDS),
        )
        for inside, outside in self.ports.items():
            container.with_bind_ports(inside, outside)
        container.start()


def postgresql() -> Server:
    port = free_port()
    return Server(
        image="POSTGRESQL_IMAGE",
        addresses={"postgresql": f"postgresql+psycopg://{USER}:{SECRET}@{HOST}:{port}/postgres"},
        ports={5432: port},
        ready=ExecWaitStrategy(["pg_isready", f"--host={HOST}"]),
        environment={"POSTGRES_USER": USER, "POSTGRES_PASSWORD": SECRET, "POSTGRES_DB": "postgres"},
        command=["-c", "max_connections=400"],
    )


def minio() -> Server:
    port = free_port()
    return Server(
        image="MINIO_IMAGE",
        addresses={"s3": f"s3://{USER}:{SECRET}@{HOST}:{port}"},
        ports={9000: port},
        ready=HttpWaitStrategy(9000, "/minio/health/cluster"),
        environment={"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": SECRET},
        command=["server", "/data"],
    )


def versitygw() -> Server:
    port = free_port()
    return Server(
        image="VERSITYGW_IMAGE",
        addresses={"second_s3": f"s3://{USER}:{SECRET}@{HOST}:{port}"},
        ports={7070: port},
        ready=HttpWaitStrategy(7070, "/health"),
        environment={"ROOT_ACCESS_KEY": USER, "ROOT_SECRET_KEY": SECRET, "VGW_HEALTH": "/health"},
        command=["--iam-dir", "/iam", "posix", "--versioning-dir", "/versions", "/data"],
    )


def kafka() -> Server:
    port = free_port()
    settings = {
        **SINGLE_BROKER,
        "controller.quorum.voters": f"1@{HOST}:9093",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
    }
    return Server(
        image="KAFKA_IMAGE",
        addresses={"kafka": f"kafka://{HOST}:{port}"},
        ports={9092: port},
        ready=LogMessageWaitStrategy(STARTED),
        environment={f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in settings.items()},
    )


def mailpit() -> Server:
    smtp, mailbox = free_port(), free_port()
    return Server(
        image="MAILPIT_IMAGE",
        addresses={"smtp": f"smtp://{HOST}:{smtp}", "mailbox": f"http://{HOST}:{mailbox}"},
        ports={1025: smtp, 8025: mailbox},
        ready=HttpWaitStrategy(8025, "/livez"),
        environment={"MP_MAX_MESSAGES": "0", "MP_DISABLE_VERSION_CHECK": "true"},
    )


SERVERS: tuple[Callable[[], Server], ...] = (kafka, postgresql, minio, versitygw, mailpit)


@contextmanager
def started(servers: Sequence[Server]) -> Iterator[Mapping[str, str]]:
    """The variables of the environment that lead to these servers, while they run."""
    remove(lambda owner: not Path(f"/proc/{owner}").exists())
    try:
        with ThreadPoolExecutor(len(SERVERS)) as pool:
            list(pool.map(Server.start, servers))
        yield {variable(name): address for server in servers for name, address in server.addresses.items()}
    finally:
        remove(lambda owner: owner == str(os.getpid()))


def remove(of_owner: Callable[[str], bool]) -> None:
    """Remove the containers of the processes that are meant."""
    engine = docker.from_env()
    for container in engine.containers.list(all=True, filters={"label": LABEL}):
        if of_owner(container.labels[LABEL]):
            container.remove(force=True, v=True)
    engine.close()


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command's exit code; it ends before its servers do, also on Ctrl-C, which the terminal tells it as well."""
    child = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        return child.wait()
    except KeyboardInterrupt:
        return child.wait()
    except SystemExit:
        child.terminate()
        child.wait()
        raise


def main() -> int:
    """Start what is wanted, run the command, remove everything."""
    signal.signal(signal.SIGTERM, _end)
    servers = [server for make in SERVERS if (server := make()).wanted]
    if not servers:
        return run(sys.argv[1:], {})
    with started(servers) as environment:
        return run(sys.argv[1:], environment)


def _end(_number: int, _frame: object) -> NoReturn:
    sys.exit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
