"""Writes every fact of every topic down, in the order in which this service hears of it; and searches in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.operations.trail.domain import Entry, Link, envelope_text, extend, is_sha256
from services.operations.trail.store import TrailStore
from services.operations.trail.views import TrailEvent, TrailViews
from shared.contracts import FACTS, PERSON, Fact
from shared.database import Context, Database, Transaction
from shared.errors import NotFound, Unavailable
from shared.looks import record_look
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


class Subject(Protocol):
    """A person as identity names them."""

    @property
    def person_ref(self) -> str: ...


class People(Protocol):
    """Who is who: identity, here or elsewhere."""

    def find(self, reference: str) -> Subject:
        """Who has this person_ref, PI or staff number, whole; raises `NotFound` and `Unavailable`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a search found; `is_person` when it is about a person, `people_asked` unless identity was away."""

    events: Sequence[TrailEvent]
    is_person: bool = False
    people_asked: bool = True


class TrailSearch:
    """Finds what happened, by whatever somebody has in hand. Who looks for a person is recorded before they see it."""

    def __init__(self, database: Database, views: TrailViews, people: Callable[[], People]) -> None:
        self.database = database
        self.views = views
        self.people = people

    def search(self, reference: str, *, actor: str, after: int = 0) -> Findings:
        """Return events in order about a thing, a file or a person, behind position `after`.

        When identity cannot be asked, persons are not found, and everything else is.
        """
        if is_sha256(reference):
            return Findings(events=self.views.about_file(reference.lower(), after=after))
        try:
            person_ref = self.people().find(reference).person_ref
        except NotFound:
            return Findings(events=self.views.about(reference, after=after))
        except Unavailable:
            return Findings(events=self.views.about(reference, after=after), people_asked=False)
        with self.database.transaction(Context(actor=actor)) as tx:
            record_look(tx, person_ref=person_ref, what="trail")
        return Findings(events=self.views.about_person(person_ref, after=after), is_person=True)


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
        "file_sha256": getattr(fact, "sha256", None),
    }
