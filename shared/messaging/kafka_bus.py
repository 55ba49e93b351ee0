"""The bus on Kafka, by kafka-python: what a relay needs to publish, and what tools need to look at the log.

Facts are CloudEvents in binary mode: attributes as headers, the value as JSON; a tombstone has none. A key goes to the
partition that Kafka's own rule gives it, so that other clients agree. Consumers of the system are workers
(`faust_worker.py`), not this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError

from shared.clock import Clock
from shared.contracts import TOPICS
from shared.errors import Unavailable
from shared.messaging.bus import Record
from shared.messaging.message import Message

REQUEST_SECONDS = 5
DELIVERY_SECONDS = 15
"""How long the brokers may take to acknowledge a batch; less than a relay's transaction may be idle."""
LINGER_MS = 1000
BATCH_BYTES = 512 * 1024
"""All that is appended at once leaves at once, by a flush: until then the producer's thread has nothing to do."""
READ_SECONDS = 5
CLOSE_SECONDS = 1


class TopicMissing(Unavailable):
    """A topic is not there; nobody but operations makes topics."""

    code = "topic_missing"
    title = "A topic is missing on the broker"


class _Producer(KafkaProducer):  # type: ignore[misc] # the vendor's has no types
    """A producer that can be told to let nothing more out."""

    def abandon(self) -> None:
        """Send nothing more; what waits fails."""
        self._sender.force_close()


class KafkaBus:
    """See `shared.messaging.bus.Bus`. Nothing is asked of a broker before it is needed."""

    def __init__(self, servers: Sequence[str], topics: Sequence[str]) -> None:
        self.servers = list(servers)
        self.topics = list(topics)
        self._producer: _Producer | None = None
        self._asking = threading.Lock()

    @classmethod
    def from_url(cls, url: str, *, clock: Clock | None = None) -> KafkaBus:  # noqa: ARG003 - brokers have their own
        """The bus of `kafka://HOST:PORT,HOST:PORT`, with every topic of the contracts."""
        return cls(servers_in(url), list(TOPICS))

    def append(self, messages: Sequence[Message]) -> None:
        """Returns when the brokers have acknowledged all.

        After a failure the producer is given up with all that it still holds: what it sent may have arrived, each
        message behind those before it. The whole batch is appended again by the next one, in order, so that the first
        copy of each message keeps its place.
        """
        producer = self._producer or self._new_producer()
        with self._failures(self._give_up):
            sent = [self._send(producer, message) for message in messages]
            deadline = time.monotonic() + DELIVERY_SECONDS
            producer.flush(DELIVERY_SECONDS)
            for future in sent:
                future.get(timeout=max(0.0, deadline - time.monotonic()))

    def _send(self, producer: _Producer, message: Message) -> Any:  # noqa: ANN401 - the vendor's future
        headers = [(name, value.encode()) for name, value in message.headers().items()]
        return producer.send(message.topic, key=message.key.encode(), value=message.value or None, headers=headers)

    def _new_producer(self) -> _Producer:
        with self._failures():
            self._producer = _Producer(
                bootstrap_servers=self.servers,
                bootstrap_timeout_ms=REQUEST_SECONDS * 1000,
                acks="all",
                enable_idempotence=True,
                linger_ms=LINGER_MS,
                batch_size=BATCH_BYTES,
                max_block_ms=REQUEST_SECONDS * 1000,
                request_timeout_ms=REQUEST_SECONDS * 1000,
                delivery_timeout_ms=DELIVERY_SECONDS * 1000,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        return self._producer

    def _give_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.abandon()
            with suppress(KafkaError):
                producer.close(timeout=CLOSE_SECONDS)

    def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[Record]:
        place = TopicPartition(topic, partition)
        end = self.end_offsets()[topic, partition]
        records: list[Record] = []
        with self._asking, self._failures():
            self._reader.assign([place])
            self._reader.seek(place, offset)
            while len(records) < min(limit, end - offset):
                found = self._reader.poll(timeout_ms=READ_SECONDS * 1000, max_records=limit - len(records))
                if not found:
                    raise Unavailable(f"{topic}/{partition} cannot be read")
                records.extend(record_of(message) for message in found[place])
        return records

    def partitions(self, topic: str) -> int:
        return len(self._described(topic)[topic]["partitions"])

    def topic_id(self, topic: str) -> str:
        return str(self._described(topic)[topic]["topic_id"])

    def missing(self) -> list[str]:
        """The topics of this bus that the brokers do not have."""
        with self._asking, self._failures():
            return [found["name"] for found in self._admin.describe_topics(self.topics) if found["error_code"]]

    def first_offset(self, topic: str, partition: int) -> int:
        return self._offsets(OffsetSpec.EARLIEST, topic)[topic, partition]

    def end_offsets(self) -> Mapping[tuple[str, int], int]:
        return self._offsets(OffsetSpec.LATEST, *self.topics)

    def close(self) -> None:
        self._give_up()
        for name in ("_admin", "_reader"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    def _described(self, *topics: str) -> Mapping[str, Any]:
        with self._asking, self._failures():
            found = {each["name"]: each for each in self._admin.describe_topics(list(topics))}
        missing = [topic for topic in topics if found[topic]["error_code"]]
        if missing:
            raise TopicMissing(f"{', '.join(missing)}: missing on the broker. Run `etma topics apply`.")
        return found

    def _offsets(self, which: OffsetSpec, *topics: str) -> dict[tuple[str, int], int]:
        counts = {topic: len(found["partitions"]) for topic, found in self._described(*topics).items()}
        places = [TopicPartition(topic, part) for topic, count in counts.items() for part in range(count)]
        with self._asking, self._failures():
            found = self._admin.list_partition_offsets(dict.fromkeys(places, which))
        return {(place.topic, place.partition): answer.offset for place, answer in found.items()}

    @cached_property
    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(**self._client())

    @cached_property
    def _reader(self) -> KafkaConsumer:
        return KafkaConsumer(enable_auto_commit=False, auto_offset_reset="none", **self._client())

    def _client(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.servers,
            "bootstrap_timeout_ms": REQUEST_SECONDS * 1000,
            "request_timeout_ms": REQUEST_SECONDS * 1000,
        }

    @contextmanager
    def _failures(self, then: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Turns what kafka-python raises into `Unavailable`: a broker that is not there comes back."""
        try:
            yield
        except (KafkaError, OSError) as error:
            then()
            raise Unavailable(f"the broker is not available ({type(error).__name__})") from error


def servers_in(url: str) -> list[str]:
    """The brokers of `kafka://HOST:PORT,HOST:PORT`."""
    return urlsplit(url).netloc.split(",")


def record_of(message: Any) -> Record:  # noqa: ANN401 - kafka-python's and Faust's look alike
    """A message of the broker as it is; what is not text in key and headers is replaced, because it is only shown."""
    headers = message.headers.items() if isinstance(message.headers, Mapping) else message.headers or ()
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=_text(message.key),
        headers={name: _text(value) for name, value in headers},
        value=message.value or b"",
    )


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
