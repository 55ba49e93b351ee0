"""What every bus promises; a new adapter inherits the suite and gives its own fixture."""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.errors import Unavailable
from shared.messaging.bus import Bus, Record
from shared.messaging.local_bus import LocalBus
from shared.messaging.message import Message
from tests.support.databases import ManualClock


def a_message(topic: str, key: str, value: bytes = b"{}") -> Message:
    return Message(
        id=str(uuid.uuid4()),
        type="example",
        source="tests",
        topic=topic,
        key=key,
        time=datetime(2026, 11, 25, 10, tzinfo=UTC),
        sequence=1,
        correlation_id="c",
        causation_id=None,
        actor="system",
        value=value,
    )


class BusConformance(ABC):
    """The suite."""

    bus: Bus
    topic: str

    @abstractmethod
    def reopened(self) -> Bus:
        """Another bus over the same log, as after a restart."""

    def everything(self, bus: Bus | None = None) -> list[Record]:
        bus = bus or self.bus
        return [
            record
            for part in range(bus.partitions(self.topic))
            for record in bus.read(self.topic, part, offset=bus.first_offset(self.topic, part), limit=1000)
        ]

    def test_a_tombstone_has_no_value_and_its_attributes(self) -> None:
        sent = a_message(self.topic, "who is gone", b"")
        self.bus.append([sent])
        (record,) = self.everything(self.reopened())
        assert (record.value, record.message()) == (b"", sent)

    def test_what_was_appended_is_read_as_it_was_also_after_a_restart(self) -> None:
        sent = a_message(self.topic, "Zoë/1", '{"naïve": "\U0001f4dc"}'.encode())
        self.bus.append([sent])
        (record,) = self.everything(self.reopened())
        assert record.message() == sent

    def test_a_key_is_in_one_partition_and_keeps_its_order(self) -> None:
        sent = [a_message(self.topic, f"key {number % 7}", str(number).encode()) for number in range(200)]
        for start in range(0, len(sent), 50):
            self.bus.append(sent[start : start + 50])
        records = self.everything()
        for key in {message.key for message in sent}:
            of_key = [record for record in records if record.key == key]
            assert len({record.partition for record in of_key}) == 1
            assert [record.value for record in of_key] == [message.value for message in sent if message.key == key]

    def test_offsets_have_no_holes_and_lead_to_the_end(self) -> None:
        self.bus.append([a_message(self.topic, f"key {number}") for number in range(40)])
        for part in range(self.bus.partitions(self.topic)):
            first, end = self.bus.first_offset(self.topic, part), self.bus.end_offsets()[self.topic, part]
            records = self.bus.read(self.topic, part, offset=first, limit=1000)
            assert [record.offset for record in records] == list(range(first, end))

    def test_reading_goes_on_from_an_offset_and_keeps_to_the_limit(self) -> None:
        self.bus.append([a_message(self.topic, "one key") for _ in range(20)])
        (part,) = {record.partition for record in self.everything()}
        read = [self.bus.read(self.topic, part, offset=offset, limit=6) for offset in (0, 6, 12, 18, 20)]
        assert [[record.offset for record in piece] for piece in read] == [
            [0, 1, 2, 3, 4, 5],
            [6, 7, 8, 9, 10, 11],
            [12, 13, 14, 15, 16, 17],
            [18, 19],
            [],
        ]

    def test_an_empty_topic_has_its_end_where_it_begins(self) -> None:
        for part in range(self.bus.partitions(self.topic)):
            assert self.bus.end_offsets()[self.topic, part] == self.bus.first_offset(self.topic, part)

    def test_a_topic_keeps_its_id(self) -> None:
        assert self.bus.topic_id(self.topic) == self.reopened().topic_id(self.topic)

    def test_a_large_value_is_carried(self) -> None:
        sent = a_message(self.topic, "large", b"x" * 900_000)
        self.bus.append([sent])
        assert [record.value for record in self.everything()] == [sent.value]


class TestLocalBus(BusConformance):
    """The embedded adapter."""

    topic = "etma.test.v1"
    bus: LocalBus

    @pytest.fixture(autouse=True)
    def _bus(self, tmp_path: Path) -> Iterator[None]:
        self.url = f"sqlite:///{tmp_path / 'bus.db'}"
        self.open: list[LocalBus] = []
        self.bus = self.reopened()
        yield
        for bus in self.open:
            bus.close()

    def reopened(self) -> LocalBus:
        self.open.append(LocalBus(self.url, clock=ManualClock(), topics=[self.topic]))
        return self.open[-1]

    def test_what_a_tombstone_erased_is_gone_from_the_file_when_all_have_read_it(self, tmp_path: Path) -> None:
        texts = (b"Zebedee", b"Zebedee again", b"", b"Yorick", b"Zebedee anew")
        keys = ("z", "z", "z", "y", "z")
        self.bus.append([a_message(self.topic, key, text) for key, text in zip(keys, texts, strict=True)])
        ends = self.bus.end_offsets()
        assert self.bus.forget_erased(dict.fromkeys(ends, 0)) == 0
        assert self.bus.forget_erased(ends) == 2
        assert sorted(record.value for record in self.everything()) == [b"", b"Yorick", b"Zebedee anew"]
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert (b"Zebedee again" in kept, b"Zebedee anew" in kept, b"Yorick" in kept) == (False, True, True)
        assert self.bus.forget_erased(ends) == 0

    def test_what_was_deleted_before_a_kill_is_gone_after_the_next_look(self, tmp_path: Path) -> None:
        """The rows went, the process died before the file was written anew: another one sees to it."""
        self.bus.append([a_message(self.topic, "z", text) for text in (b"Zebedee" * 1000, b"")])
        with sqlite3.connect(tmp_path / "bus.db") as connection:
            connection.execute("PRAGMA secure_delete=OFF")
            connection.execute("DELETE FROM log WHERE length(value) > 0")
        assert any(b"Zebedee" in path.read_bytes() for path in tmp_path.iterdir())
        connection.close()
        bus = self.reopened()
        assert bus.forget_erased(bus.end_offsets()) == 0
        assert not any(b"Zebedee" in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.cluster
class TestKafkaBus(BusConformance):
    """The broker's adapter."""

    @pytest.fixture(autouse=True)
    def _bus(self) -> Iterator[None]:
        from tests.support.kafka import KafkaBus, new_topic  # noqa: PLC0415 - only where there is a broker

        self.made: list[KafkaBus] = []
        self.topic = f"etma.test.{secrets.token_hex(6)}"
        self.bus = self.reopened()
        with new_topic(self.topic, partitions=2):
            yield
            for bus in self.made:
                bus.close()

    def reopened(self) -> Bus:
        from tests.support.kafka import bus_of  # noqa: PLC0415 - as above

        self.made.append(bus_of(self.topic))
        return self.made[-1]

    def test_a_tombstone_is_one_to_the_broker(self) -> None:
        from kafka import KafkaConsumer  # noqa: PLC0415 - as above

        self.bus.append([a_message(self.topic, "who is gone", b"")])
        consumer = KafkaConsumer(
            self.topic,
            bootstrap_servers=self.made[0].servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=20_000,
        )
        message = next(consumer)
        consumer.close()
        assert (message.key, message.value) == (b"who is gone", None)

    def test_a_topic_made_anew_has_another_id(self) -> None:
        from tests.support.kafka import new_topic  # noqa: PLC0415 - as above

        other = f"{self.topic}.again"
        ids = []
        for _ in range(2):
            with new_topic(other, partitions=1):
                ids.append(self.bus.topic_id(other))
        assert ids[0] != ids[1]

    def test_a_topic_that_is_missing_is_named(self) -> None:
        from tests.support.kafka import bus_of  # noqa: PLC0415 - as above

        bus = bus_of("etma.missing.v1")
        self.made.append(bus)
        assert bus.missing() == ["etma.missing.v1"]
        with pytest.raises(Unavailable, match="missing"):
            bus.partitions("etma.missing.v1")
        with pytest.raises(Unavailable):
            bus.append([a_message("etma.missing.v1", "key")])


ASK_NOBODY = """
from shared.errors import Unavailable
from shared.messaging.kafka_bus import KafkaBus
from tests.conformance.test_bus import a_message

bus = KafkaBus(["127.0.0.1:9"], ["topic"])
for ask in (lambda: bus.append([a_message("topic", "key")]), bus.end_offsets, bus.missing):
    try:
        ask()
    except Unavailable as error:
        print(error.code)
bus.close()
"""


def test_a_broker_that_is_not_there_is_unavailable_and_opening_the_bus_asks_nothing() -> None:
    """In a process of its own: kafka-python leaves sockets behind that were never connected."""
    done = subprocess.run([sys.executable, "-c", ASK_NOBODY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["unavailable"] * 3
