"""Private servers for faults: killed, they come back at the same address with what they had acknowledged."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from minio import Minio
from urllib3 import PoolManager, Retry
from urllib3.exceptions import HTTPError

from deploy.servers.kafka import KafkaProcess
from deploy.servers.network import ToxiproxyProcess
from deploy.servers.objects import KEY, SECRET, MinioProcess
from deploy.servers.ports import HOST
from deploy.servers.postgresql import PostgresProcess
from deploy.servers.process import ServerProcess

pytestmark = pytest.mark.cluster


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[type[ServerProcess]], ServerProcess]]:
    """Start a server of this kind in a folder of its own; it ends with the test."""
    started: list[ServerProcess] = []

    def start(kind: type[ServerProcess]) -> ServerProcess:
        server = kind(tmp_path / kind.name)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()


Run = Callable[[type[ServerProcess]], ServerProcess]


def test_a_killed_postgresql_comes_back_with_its_rows(run: Run) -> None:
    server = run(PostgresProcess)
    with psycopg.connect(server.address.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE work AS SELECT 7 AS version")
    server.kill()
    server.start()
    with psycopg.connect(server.address.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT version FROM work").fetchone() == (7,)


def test_a_killed_kafka_comes_back_with_its_topics_and_records(run: Run) -> None:
    server = run(KafkaProcess)
    broker = server.address.removeprefix("kafka://")
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics({"work": {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=True)
    producer.send("work", b"received").get(20)
    producer.close()
    server.kill()
    server.start()
    consumer = KafkaConsumer(bootstrap_servers=broker, consumer_timeout_ms=20_000, auto_offset_reset="earliest")
    consumer.assign([TopicPartition("work", 0)])
    assert next(consumer).value == b"received"
    consumer.close()


def objects_at(port: int) -> Minio:
    impatient = PoolManager(timeout=2.0, retries=Retry(0))
    return Minio(f"{HOST}:{port}", KEY, SECRET, secure=False, region="us-east-1", http_client=impatient)


def test_a_killed_object_store_comes_back_with_its_objects(run: Run) -> None:
    server = run(MinioProcess)
    objects_at(server.port).make_bucket("works")
    objects_at(server.port).put_object("works", "essay", io.BytesIO(b"bytes"), 5)
    server.kill()
    server.start()
    assert objects_at(server.port).stat_object("works", "essay").size == 5


def test_a_way_can_be_cut_and_mended(run: Run) -> None:
    network, server = run(ToxiproxyProcess), run(MinioProcess)
    assert isinstance(network, ToxiproxyProcess)
    way = network.way_to(server.port)
    assert objects_at(way.port).list_buckets() == []
    way.cut()
    with pytest.raises(HTTPError):
        objects_at(way.port).list_buckets()
    way.mend()
    assert objects_at(way.port).list_buckets() == []


def test_on_a_disturbed_way_what_is_sent_vanishes(run: Run) -> None:
    network, server = run(ToxiproxyProcess), run(MinioProcess)
    assert isinstance(network, ToxiproxyProcess)
    way = network.way_to(server.port)
    way.disturb("timeout", timeout=0)
    with pytest.raises(HTTPError, match="timed out"):
        objects_at(way.port).list_buckets()


def test_another_program_finds_a_server_by_its_folder_and_stops_it(run: Run, tmp_path: Path) -> None:
    server = run(MinioProcess)
    another = MinioProcess(tmp_path / "minio", server.port)
    assert another.pid == server.pid
    another.stop()
    assert server.pid is None
    assert another.pid is None
