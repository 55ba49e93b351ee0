"""One Kafka broker that is its own controller, in a Java process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from deploy.servers.names import BUILT, RECIPES
from deploy.servers.ports import HOST, free_port
from deploy.servers.process import ServerProcess

SINGLE_BROKER: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "2000",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
}
"""What a broker without others needs, and what makes it small and quick to start."""

STARTED = "Kafka Server started"
JAVA = ("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms96m", "-Xmx400m")


class KafkaProcess(ServerProcess):
    """Its topics are those of the starts before in the same folder, under the ids that they had."""

    name: ClassVar[str] = "kafka"

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self._controller_port = free_port()
        self._properties = self.folder / "server.properties"

    @property
    def address(self) -> str:
        return f"kafka://{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        return self._java("kafka.Kafka", str(self._properties))

    def prepare(self) -> None:
        data = self.folder / "data"
        settings = {
            **SINGLE_BROKER,
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "log.dirs": str(data),
        }
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        if data.exists():
            return
        format_storage = self._java("kafka.tools.StorageTool", "format")
        cluster = ["--cluster-id", "etmaCluster0123456789A", "--config", str(self._properties)]
        subprocess.run([*format_storage, *cluster], check=True, capture_output=True)

    def answers(self) -> bool:
        return STARTED in self.log.read_text(encoding="utf-8", errors="replace")

    def _java(self, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={RECIPES / 'kafka' / 'log4j2.properties'}"
        return [*JAVA, logging, "-cp", f"{BUILT / 'kafka' / 'libs'}/*", *arguments]
