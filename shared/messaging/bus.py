"""The bus port: topics of ordered partitions, appended to by relays and read by offset by consumers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.messaging.message import Message


@dataclass(frozen=True, kw_only=True)
class Record:
    """A message's bytes at their place; not decoded, because what cannot be decoded must be buried as it is."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    value: bytes

    def message(self) -> Message:
        """The envelope; raises `NotAFact`."""
        return Message.from_parts(topic=self.topic, key=self.key, headers=self.headers, value=self.value)


class Publisher(Protocol):
    """What a relay needs of a bus."""

    def append(self, messages: Sequence[Message]) -> None:
        """Returns when all messages are durable; on an error some may be (appending again is right)."""
        ...


class LogEnds(Protocol):
    """Where the log ends: what tells how far a consumer is behind."""

    def end_offsets(self) -> Mapping[tuple[str, int], int]:
        """Of the known topics and partitions: one past the last record."""
        ...

    def topic_id(self, topic: str) -> str:
        """Changes when a topic is made anew under its old name."""
        ...


class Bus(Publisher, LogEnds, Protocol):
    """An append-only log per topic and partition.

    * `append` returns when all messages are durable; on an error some may be (appending again is right).
    * One key is always in one partition, and keeps the order of its appends.
    * Offsets start anywhere and only grow; nothing below a read offset appears later.
    * Raises `Unavailable` while the bus is away, and nothing else of its vendor's.
    """

    def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[Record]:
        """At most `limit` records from `offset` on, in order; empty at the end."""
        ...

    def partitions(self, topic: str) -> int: ...

    def first_offset(self, topic: str, partition: int) -> int: ...

    def close(self) -> None: ...


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key; never changes for a given number of partitions."""
    return zlib.crc32(key.encode()) % partitions
