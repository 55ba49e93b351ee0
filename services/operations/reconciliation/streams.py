"""Reads the services' inspection streams page by page, into the rows that the checks know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from sys import intern
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.operations.reconciliation.domain.model import (
    ChainLink,
    Claim,
    Correction,
    Delivery,
    Event,
    Fact,
    Obligation,
    Refusal,
    Ruling,
    Scan,
    Script,
    Staged,
    State,
    Told,
    Version,
    VersionQuestion,
    content_of,
    digest_of,
)
from services.operations.trail.domain import envelope_text
from shared.errors import Unavailable
from shared.inspection import Inspection

T = TypeVar("T")

PAGE = 1000

WORK_FACTS = frozenset(
    {
        "SubmissionReceived",
        "SubmissionRefused",
        "UploadLapsed",
        "RequestProposed",
        "RequestCountered",
        "RequestAgreed",
        "RequestDeclined",
        "RequestWithdrawn",
        "RequestLapsed",
        "RequestEscalated",
        "RequestReminded",
        "RequestMoved",
        "LatenessCorrected",
        "SubmissionScanned",
        "VersionTaken",
        "VersionNotTaken",
        "LaterVersionTaken",
        "LaterVersionDeclined",
        "ScriptHeld",
        "ScriptAllocated",
        "ScriptReallocated",
        "ScriptCollected",
        "CollectedVersionScanned",
    }
)
"""The facts about pieces of work."""

TOLD_FACTS = frozenset({"DeliverySent", "DeliveryFailed"})
"""The facts about messages."""

ERASED = "PersonErased"
"""The fact that takes a person's state away."""

PERSONS = "persons"

STATE_FACTS: Mapping[str, str] = {
    "AssignmentDefined": "assignments",
    "EnrolmentRecorded": "enrolments",
    "TutorRecorded": "tutors",
    "TutorGroupRecorded": "groups",
    "PersonRecorded": PERSONS,
}
"""The facts that say the full state of a thing, and the kind of stream that has these things."""

STATE_KEYS: Mapping[str, str] = {
    "assignments": "assignment_id",
    "enrolments": "enrolment_id",
    "tutors": "tutor_id",
    "groups": "group_id",
    PERSONS: "person_ref",
}

VERSION = TypeAdapter(Version)
REFUSAL = TypeAdapter(Refusal)
CORRECTION = TypeAdapter(Correction)
SCAN = TypeAdapter(Scan)
RULING = TypeAdapter(Ruling)
SCRIPT = TypeAdapter(Script)
QUESTION = TypeAdapter(VersionQuestion)
STAGED = TypeAdapter(Staged)
OBLIGATION = TypeAdapter(Obligation)
DELIVERY = TypeAdapter(Delivery)
LINK = TypeAdapter(ChainLink)
FACT = TypeAdapter(Fact)
CLAIM = TypeAdapter(Claim)
SAID = TypeAdapter(dict[str, Any])


class Unreadable(Unavailable):
    """A stream that the audit needs cannot be read, so that nothing can be said."""

    code = "audit_unreadable"
    title = "The audit could not read everything"


def rows(inspection: Inspection, kind: str, *, after: str = "") -> Iterator[Mapping[str, Any]]:
    """Return all rows of a stream behind `after`; raises `Unavailable` when the service cannot be read."""
    while page := inspection.facts(kind, after=after, limit=PAGE):
        yield from page
        after = str(page[-1]["position"])


def read(inspection: Inspection, kind: str, shape: TypeAdapter[T], *, after: str = "") -> Iterator[T]:
    """Return all rows of a stream in their shape; raises `Unreadable` when a row does not fit."""
    for row in rows(inspection, kind, after=after):
        try:
            yield shape.validate_python(row)
        except ValidationError as error:
            message = f"row {row.get('position')} of {kind} does not have the shape agreed: {error.errors()[0]['loc']}"
            raise Unreadable(message) from error


def published(row: Mapping[str, Any]) -> Event:
    """Return the envelope of a row of an outbox."""
    digest = sha256(str(row["value"]).encode()).digest()
    return _event({**row, "occurred_at": row["recorded_at"]}, payload_digest=digest, has_payload=True)


def written(row: Mapping[str, Any]) -> Event:
    """Return the envelope of a row of the trail."""
    digest = bytes.fromhex(str(row["payload_sha256"]))
    return _event(row, payload_digest=digest, has_payload=row["payload"] is not None)


def _event(row: Mapping[str, Any], *, payload_digest: bytes, has_payload: bool) -> Event:
    return Event(
        ce_id=str(row["ce_id"]),
        name=intern(name_of(str(row["type"]))),
        producer=intern(producer_of(str(row["type"]))),
        key=str(row["key"]),
        sequence=int(row["sequence"]),
        recorded_at=datetime.fromisoformat(row["occurred_at"]),
        envelope=digest_of(envelope_of(row)),
        payload_digest=payload_digest,
        has_payload=has_payload,
    )


def link_of(row: Mapping[str, Any]) -> ChainLink:
    """Return the place of a row of the trail in the chain."""
    return LINK.validate_python({**row, "envelope": envelope_of(row)})


def envelope_of(row: Mapping[str, Any]) -> str:
    """Return what the chain rests on of an event's envelope."""
    return envelope_text(
        ce_type=row["type"],
        topic=row["topic"],
        key=row["key"],
        sequence=row["sequence"],
        occurred_at=datetime.fromisoformat(row["occurred_at"]),
        actor=row["actor"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
    )


def value_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a fact's value out of a row of an outbox or of the trail; {} for one that is gone or cannot be read."""
    value = row["value"] if "value" in row else row["payload"]
    try:
        return {} if value is None else SAID.validate_json(value)
    except ValidationError:
        return {}


def fact_of(event: Event, said: Mapping[str, Any]) -> Fact | None:
    """Return what the checks need of a fact about work; None when its value does not have it.

    A value that cannot be read is like no value: the other holder of the fact has it, or it is missing.
    """
    own = {"ce_id": event.ce_id, "name": event.name, "recorded_at": event.recorded_at, "sequence": event.sequence}
    try:
        return FACT.validate_python({**said, **own})
    except ValidationError:
        return None


def told_of(event: Event, said: Mapping[str, Any]) -> Told | None:
    """Return what a fact about a message says; None when its value cannot be read."""
    if not said.keys() >= {"person_ref", "purposes", "work_ids"}:
        return None
    return Told(
        name=event.name,
        sequence=event.sequence,
        recorded_at=event.recorded_at,
        content=content_of(str(said["person_ref"]), sorted(said["purposes"]), sorted(said["work_ids"])),
    )


def state_of(event: Event, said: Mapping[str, Any]) -> State | None:
    """Return the state that a fact says; None when its value cannot be read.

    Of a person, whose value the trail does not keep, it is the revision alone: that is the number of the fact, because
    each change of a person is announced once.
    """
    if STATE_FACTS[event.name] == PERSONS:
        return State(revision=event.sequence, recorded_at=event.recorded_at, said={"revision": event.sequence})
    if "revision" not in said:
        return None
    return State(revision=int(said["revision"]), recorded_at=event.recorded_at, said=comparable(said))


def states(inspection: Inspection, kind: str) -> Mapping[str, Mapping[str, object]]:
    """Return the rows of things that a service has, by key, in a form that can be held against facts."""
    return {str(row[STATE_KEYS[kind]]): comparable(row) for row in rows(inspection, kind)}


def comparable(said: Mapping[str, Any]) -> Mapping[str, object]:
    """Return values so that equal ones are the same, whether a row or a fact has them: moments and sets of words."""
    return {name: _comparable(name, value) for name, value in said.items() if name != "position"}


def _comparable(name: str, value: object) -> object:
    if isinstance(value, list):
        return tuple(sorted(map(str, value)))
    if isinstance(value, str) and name.endswith("_at"):
        return datetime.fromisoformat(value)
    return value


def name_of(ce_type: str) -> str:
    """Return a fact's own name, without producer and version."""
    return ce_type.split(".")[-2] if "." in ce_type else ce_type


def producer_of(ce_type: str) -> str:
    """Return the service that says facts of this type."""
    return ce_type.split(".")[1] if "." in ce_type else ""


def claim_of(receipt: str, claims: Mapping[str, Any]) -> Claim:
    """Return what the checks need of a receipt's claims; raises `ValueError` when one is missing or of another kind."""
    names = {
        "work_id": "work",
        "receipt_id": "jti",
        "assignment_id": "assignment",
        "person_ref": "student",
        "band": "ruling",
        "upload_started_at": "started_at",
    }
    renamed = {name: claims.get(claimed) for name, claimed in names.items()}
    return CLAIM.validate_python({**claims, **renamed, "digest": digest_of(receipt)})
