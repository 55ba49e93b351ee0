"""Topics of a real broker for tests."""

from __future__ import annotations

import fcntl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from shared.messaging.kafka_bus import KafkaBus, servers_in
from shared.messaging.kafka_topics import apply, read_plan
from tests.support.servers import address

SECONDS = 20
ROOT = Path(__file__).parents[2]


def bus_of(*topics: str) -> KafkaBus:
    return KafkaBus(servers_in(address("kafka")), topics)


@contextmanager
def new_topic(name: str, *, partitions: int) -> Iterator[None]:
    """A topic with one replica; gone afterwards."""
    admin = KafkaAdminClient(bootstrap_servers=servers_in(address("kafka")))
    try:
        _create(admin, name, partitions)
        yield
        admin.delete_topics([name])
    finally:
        admin.close()


def make_topic(url: str, name: str, *, partitions: int) -> None:
    """A topic with one replica on the brokers of this address."""
    admin = KafkaAdminClient(bootstrap_servers=servers_in(url))
    _create(admin, name, partitions)
    admin.close()


def _create(admin: KafkaAdminClient, name: str, partitions: int) -> None:
    """A broker that still deletes the topic's predecessor is asked again."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


@contextmanager
def sole_use_of_topics() -> Iterator[None]:
    """The system's topics, without a fact in them; other tests on this broker, also of other runs, wait."""
    broker = urlsplit(address("kafka")).netloc.replace(":", "-").replace(",", "-")
    with Path(tempfile.gettempdir(), f"etma-topics-{broker}").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_topics_anew()
        yield


def _make_topics_anew() -> None:
    servers = servers_in(address("kafka"))
    plan = read_plan(ROOT / "deploy" / "topics.yaml").on(brokers=1)
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        there = [each["name"] for each in admin.describe_topics(list(plan.topics)) if not each["error_code"]]
        if there:
            admin.delete_topics(there)
        for name, topic in plan.topics.items():
            _create(admin, name, topic.partitions)
    finally:
        admin.close()
    apply(servers, plan)
