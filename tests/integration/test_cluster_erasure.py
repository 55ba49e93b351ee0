"""Erasing on real servers: nothing is left in PostgreSQL, on the topic after compaction, in S3 or among the letters."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from services.cluster import ClusterSystem
from services.intake.catalogue import take_in
from services.tools import person_tools_of
from shared.contracts import PERSON
from shared.messaging.kafka_bus import servers_in
from tests.conformance.test_bus import a_message
from tests.support.buckets import own_bucket
from tests.support.cluster import EVERYTHING, environment_for, own_places
from tests.support.gateway import Gateway
from tests.support.persons import CONTENT, FILE_NAME, TRACES, ZEB, ref_of, traces_under, university
from tests.support.processes import roles
from tests.support.servers import address
from tests.support.university import TUTOR, Town

pytestmark = pytest.mark.cluster

SECONDS = 180
SOON = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "max.compaction.lag.ms": "1000",
    "min.cleanable.dirty.ratio": "0.0",
    "delete.retention.ms": "600000",
}
"""A topic that is compacted in seconds instead of within a day."""


@dataclass(frozen=True)
class Place:
    town: Town
    folder: Path
    said: list[str]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Processes on servers of their own, where nothing is held beyond the last cut-off; `said` is what they logged."""
    import httpx2 as httpx  # noqa: PLC0415 - beside the gateway only

    with own_places(tmp_path / "var") as usual, own_bucket(address("s3"), "worm=off") as objects:
        settings = usual.model_copy(update={"kept_days": 0, "objects_url": objects})
        compact_soon()
        system = ClusterSystem(settings)
        take_in(system, university())
        environment = {**environment_for(settings), "ETMA_LOG_LEVEL": "INFO", "ETMA_KEPT_DAYS": "0"}
        with roles(environment, *EVERYTHING) as running:
            for role in running.values():
                role.wait_until_ready()
            client = httpx.Client(base_url="http://127.0.0.1", transport=Gateway(running))
            said: list[str] = []
            yield Place(Town(system, client), tmp_path / "var", said)
            client.close()
            said.extend(role.said() for role in running.values())
        system.platform.close()
    assert not [trace for text in said for trace in TRACES if trace in text.lower().encode()]


def compact_soon() -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers_in(address("kafka")))
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, PERSON.name, SOON)])
    admin.close()


def test_nothing_is_left_of_who_they_were_on_real_servers(place: Place) -> None:
    town, system = place.town, place.town.system
    person_ref = ref_of(town, ZEB)
    work_id = town.hand_in(ZEB, content=CONTENT, name=FILE_NAME).json()["work_id"]
    town.settle()
    assert town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR).status_code == 200
    town.settle()
    take_in(system, university(over=True))
    town.settle()
    assert [where for where in rows_with_traces(system) if where.startswith("notifier")]
    assert values_with_traces()
    assert list(traces_under(place.folder / "mail"))

    erasing = person_tools_of(system).erasing
    erasing.erase(person_ref, reason="asked for it", actor="command-line:tests")
    assert erasing.wait(person_ref, seconds=SECONDS), erasing.progress(person_ref)
    town.settle()

    assert rows_with_traces(system) == []
    assert list(traces_under(place.folder)) == []
    names = [entry.key.lower().encode() for store in stores(system) for entry in store.walk()]
    assert names == []
    assert town.audit().violations == []
    wait_for_compaction(town)
    stones = [message for message in log_of_persons() if message.key == person_ref.encode()]
    assert {message.value for message in stones} == {None}


def stores(system: ClusterSystem) -> tuple[object, ...]:
    return (system.platform.objects, system.platform.staging)


def rows_with_traces(system: ClusterSystem) -> list[str]:
    """The tables, as text, in which there is something of the person; bytes are read as what they say."""
    found = []
    for service in system.services:
        with service.database.reading() as connection:
            for name in sa.inspect(connection).get_table_names():
                rows = connection.execute(sa.select(sa.text("*")).select_from(sa.table(name))).all()
                told = b"\n".join(_told(value) for row in rows for value in row).lower()
                found += [f"{service.name}.{name}" for trace in TRACES if trace in told]
    return found


def _told(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def log_of_persons() -> list[object]:
    consumer = KafkaConsumer(
        bootstrap_servers=servers_in(address("kafka")), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    places = [TopicPartition(PERSON.name, part) for part in sorted(consumer.partitions_for_topic(PERSON.name))]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    ends = consumer.end_offsets(places)
    messages: list[object] = []
    while any(consumer.position(each) < ends[each] for each in places):
        for read in consumer.poll(timeout_ms=1000).values():
            messages += read
    consumer.close()
    return messages


def values_with_traces() -> list[object]:
    return [
        message
        for message in log_of_persons()
        for trace in TRACES
        if trace in (message.value or b"").lower() + (message.key or b"").lower()  # type: ignore[attr-defined]
    ]


def wait_for_compaction(town: Town) -> None:
    """A segment that is written to is not compacted: each partition gets something more, as it does in a day."""
    deadline = time.monotonic() + SECONDS
    while values_with_traces():
        assert time.monotonic() < deadline
        town.bus.append([a_message(PERSON.name, str(uuid.uuid4())) for _ in range(60)])
        time.sleep(3)
