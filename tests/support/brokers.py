"""A broker of a test's own, to be killed, frozen and started again on the same port and the same log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import free_port

SECONDS = 30
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/log
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=4194304
"""


class Broker:
    """One process; `kill` is a SIGKILL, `freeze` stops it in mid-thought until `thaw`."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"kafka://127.0.0.1:{self.port}"
        self._said = folder / "broker.out"
        self._settings = folder / "server.properties"
        self._settings.write_text(
            PROPERTIES.format(port=self.port, controller=free_port(), folder=folder), encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._format()

    def start(self) -> None:
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(_java("kafka.Kafka", str(self._settings)), stdout=said, stderr=said)
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._said.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "the broker does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _format(self) -> None:
        made = subprocess.run(_java("kafka.tools.StorageTool", "random-uuid"), capture_output=True, check=True)
        cluster = made.stdout.decode().split()[-1]
        command = _java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings))
        subprocess.run(command, capture_output=True, check=True)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def own_broker(folder: Path) -> Iterator[Broker]:
    """A running broker that is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def _java(*arguments: str) -> list[str]:
    jars = os.environ.get("ETMA_TEST_KAFKA_JARS")
    if not jars:
        pytest.fail("ETMA_TEST_KAFKA_JARS names no folder with Kafka's jars; run this by `make test-cluster`")
    memory = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms96m", "-Xmx300m"]
    return ["java", *memory, "-cp", f"{jars}/*", *arguments]
