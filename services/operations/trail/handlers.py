"""Writes every fact of every topic down, in the order in which this service hears of it."""

from __future__ import annotations

from collections.abc import Sequence

from services.operations.trail.domain import Entry, Link, envelope_text, extend
from services.operations.trail.store import TrailStore
from shared.contracts import FACTS, PERSON, Fact
from shared.database import Transaction
from shared.messaging.consumer import HandlerTable
from shared.messaging.message import Message


class Trail:
    """Keep every event once, chained. Of facts about persons nothing but the hash is kept."""

    def __init__(self, store: TrailStore) -> None:
        self.store = store

    def table(self) -> HandlerTable:
        return dict.fromkeys(FACTS.values(), self.write_down)

    def write_down(self, facts: Sequence[Fact], tx: Transaction) -> None:
        """Append facts that the trail does not have yet, in the order given."""
        tx.lock("trail")
        arrived = {message.id: (fact, message) for fact in facts for message in (tx.message_of(fact),)}
        known = self.store.known(list(arrived), tx)
        fresh = [pair for ce_id, pair in arrived.items() if ce_id not in known]
        links = list(extend(self.store.last(tx), (_entry(message) for _, message in fresh)))
        rows = [_row(fact, message, link) for (fact, message), link in zip(fresh, links, strict=True)]
        about = [
            {"work_id": work_id, "position": link.position}
            for (fact, _), link in zip(fresh, links, strict=True)
            for work_id in dict.fromkeys(getattr(fact, "work_ids", ()))
        ]
        self.store.append(rows, about, tx)


def _entry(message: Message) -> Entry:
    envelope = envelope_text(
        ce_type=message.type,
        topic=message.topic,
        key=message.key,
        sequence=message.sequence,
        occurred_at=message.time,
        actor=message.actor,
        correlation_id=message.correlation_id,
        causation_id=message.causation_id,
    )
    return Entry(ce_id=message.id, envelope=envelope, payload=message.value)


def _row(fact: Fact, message: Message, link: Link) -> dict[str, object]:
    return {
        "position": link.position,
        "ce_id": message.id,
        "type": message.type,
        "topic": message.topic,
        "key": message.key,
        "work_id": getattr(fact, "work_id", None),
        "person_ref": getattr(fact, "person_ref", None),
        "submission_id": getattr(fact, "submission_id", None),
        "receipt_id": getattr(fact, "receipt_id", None),
        "occurred_at": message.time,
        "actor": message.actor,
        "correlation_id": message.correlation_id,
        "causation_id": message.causation_id,
        "sequence": message.sequence,
        "payload": None if fact.topic is PERSON else message.value.decode(),
        "payload_sha256": link.payload_sha256,
        "chain": link.chain,
    }
