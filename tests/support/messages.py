"""Facts as a consumer reads them and buries them."""

from __future__ import annotations

from datetime import UTC, datetime
from zlib import crc32

from shared.contracts import Fact, fact_type
from shared.messaging.message import Message

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def message_of(fact: Fact, *, number: int) -> Message:
    """The fact in its envelope, as the `number`th of its key."""
    return Message(
        id=f"buried-{fact.key}-{number}",
        type=fact_type(type(fact)),
        source=fact.topic.producer,
        topic=fact.topic.name,
        key=fact.key,
        time=NOON,
        sequence=number,
        correlation_id=f"c-{fact.key}",
        causation_id=None,
        actor="system",
        value=fact.value(),
    )


def letter_row(consumer: str, fact: Fact, *, number: int, state: str) -> dict[str, object]:
    """A row of the dead letters of a service; no offset of the running system is its own."""
    message = message_of(fact, number=number)
    return {
        "consumer": consumer,
        "state": state,
        "topic": message.topic,
        "partition": 0,
        "offset": 10**9 + crc32(f"{fact.key}-{number}".encode()),
        "key": message.key,
        "headers": message.headers(),
        "value": message.value,
        "reason": "NotAFact: bad <b>",
        "attempts": 3,
        "buried_at": NOON,
    }
