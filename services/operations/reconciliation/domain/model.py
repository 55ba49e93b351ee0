"""The words of the audit: what can be wrong, and the rows that the checks look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256


class Code(StrEnum):
    """What can be wrong. The words are stable: scripts and runbooks depend on them."""

    RECEIPT_FORGED = "receipt_forged"
    RECEIPT_DIFFERS = "receipt_differs"
    VERSION_MISSING = "version_missing"
    VERSION_DIFFERS = "version_differs"
    VERSION_GAP = "version_gap"
    REFUSAL_MISSING = "refusal_missing"
    REFUSAL_DIFFERS = "refusal_differs"
    OBJECT_MISSING = "object_missing"
    OBJECT_CORRUPT = "object_corrupt"
    OBJECT_ORPHAN = "object_orphan"
    FACT_MISSING = "fact_missing"
    FACT_DUPLICATE = "fact_duplicate"
    FACT_UNKNOWN = "fact_unknown"
    TRAIL_DIFFERS = "trail_differs"
    CHAIN_BROKEN = "chain_broken"
    RULING_MISSING = "ruling_missing"
    RULING_DUPLICATE = "ruling_duplicate"
    RULING_UNKNOWN = "ruling_unknown"
    RULING_DIFFERS = "ruling_differs"
    SCRIPT_MISSING = "script_missing"
    SCRIPT_DIFFERS = "script_differs"
    HOLD_UNKNOWN = "hold_unknown"
    QUESTION_MISSING = "question_missing"
    QUESTION_DIFFERS = "question_differs"
    SCAN_UNKNOWN = "scan_unknown"
    SCAN_DIFFERS = "scan_differs"
    OBLIGATION_MISSING = "obligation_missing"
    OBLIGATION_DUPLICATE = "obligation_duplicate"
    OBLIGATION_UNKNOWN = "obligation_unknown"
    DELIVERY_MISSING = "delivery_missing"
    DELIVERY_DUPLICATE = "delivery_duplicate"
    DELIVERY_DIFFERS = "delivery_differs"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_OVERDUE = "delivery_overdue"
    MESSAGE_UNKNOWN = "message_unknown"
    STATE_DIFFERS = "state_differs"
    DEAD_LETTER = "dead_letter"
    NOT_SETTLED = "not_settled"


@dataclass(frozen=True, kw_only=True)
class Violation:
    """Something that must not be: the ids say what to look at, the detail what is wrong with it."""

    code: Code
    ids: Mapping[str, str]
    detail: str


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Effects of what is not younger than `cut` must all be there; with `settled`, nothing may be in flight.

    What is to be told must have gone out when it is older than `sent_by`, and have been gathered for a digest when it
    is older than `gathered_by`; a daily digest is due by `next_day_by` at the latest. What happened after
    `archived_since` still stands in its producer's outbox.
    """

    cut: datetime
    sent_by: datetime
    gathered_by: datetime
    next_day_by: datetime
    archived_since: datetime
    settled: bool = False

    def in_flight(self, moment: datetime) -> bool:
        """Whether what happened at `moment` may still lack its effects."""
        return not self.settled and moment > self.cut


@dataclass
class Report:
    """What the audit found: counts of what it saw, and violations."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing that must not be was found."""
        return not self.violations


def digest_of(text: str) -> bytes:
    """Return what identifies a text: a receipt, a payload."""
    return sha256(text.encode()).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A version as its row in submission says; ruling, decision and collection are marking's word as it has it."""

    position: str
    submission_id: str
    work_id: str
    version: int
    assignment_id: str
    presentation_id: str
    person_ref: str
    submitted_by: str
    channel: str
    media_type: str
    sha256: str
    size_bytes: int
    object_key: str
    object_version: str
    band: str
    upload_started_at: datetime
    arrived_at: datetime
    cut_off_at: datetime
    cut_off_revision: int
    receipt_id: str
    receipt: str
    ruling: str | None
    ruling_reason: str | None
    collected_at: datetime | None
    decision: str | None
    decided_at: datetime | None
    corrected_band: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a receipt with a good signature says; `digest` is of the receipt's own text."""

    submission_id: str
    work_id: str
    version: int
    assignment_id: str
    person_ref: str
    submitted_by: str
    sha256: str
    size_bytes: int
    band: str
    upload_started_at: datetime
    arrived_at: datetime
    cut_off_at: datetime
    receipt_id: str
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A refusal as its row in submission says."""

    refusal_id: str
    work_id: str
    assignment_id: str
    person_ref: str
    submitted_by: str
    reason: str
    refused_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """A ruling that corrected lateness, as its row in submission says."""

    position: str
    ruling_id: str
    submission_id: str
    work_id: str
    band: str
    cut_off_revision: int
    corrected_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """How far a version is with the search for malware, as its row in submission says.

    `wanted_at` is when it is to be scanned again, None when it is not.
    """

    submission_id: str
    work_id: str
    version: int
    state: str
    state_since: datetime
    wanted_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A fact's envelope, from an outbox or from the trail.

    `envelope` identifies all of it but the value, `payload_digest` the value; `has_payload` is False once it is erased.
    """

    ce_id: str
    name: str
    producer: str
    key: str
    sequence: int
    recorded_at: datetime
    envelope: bytes
    payload_digest: bytes
    has_payload: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A fact as the outbox of its producer or the trail holds it, with what the checks need of its value."""

    ce_id: str
    name: str
    recorded_at: datetime
    sequence: int
    work_id: str
    person_ref: str
    assignment_id: str
    submission_id: str | None = None
    version: int | None = None
    presentation_id: str | None = None
    submitted_by: str | None = None
    channel: str | None = None
    media_type: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    object_key: str | None = None
    object_version: str | None = None
    band: str | None = None
    upload_started_at: datetime | None = None
    arrived_at: datetime | None = None
    cut_off_at: datetime | None = None
    cut_off_revision: int | None = None
    receipt_id: str | None = None
    refusal_id: str | None = None
    ruling_id: str | None = None
    refused_at: datetime | None = None
    reason: str | None = None
    waits_for: str | None = None
    tutor_ref: str | None = None
    from_tutor_ref: str | None = None
    collected_at: datetime | None = None
    earlier_submission_id: str | None = None
    earlier_version: int | None = None
    decided_at: datetime | None = None
    outcome: str | None = None
    outcome_before: str | None = None
    by: str | None = None
    party: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What `DeliverySent` or `DeliveryFailed` said last of a delivery; `content` identifies who was told what."""

    name: str
    sequence: int
    recorded_at: datetime
    content: bytes


def content_of(person_ref: str, purposes: object, work_ids: object) -> bytes:
    """Return what identifies whom a message told, which purposes and about which works, given as sorted lists."""
    return digest_of(f"{person_ref}\n{purposes}\n{work_ids}")


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The last that was announced of a thing; `said` has its fields, of a person the revision only."""

    revision: int
    recorded_at: datetime
    said: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """Marking's word on a version, and the file that the tutor downloads."""

    position: str
    submission_id: str
    work_id: str
    version: int
    ruling: str
    reason: str | None
    object_key: str
    object_version: str
    media_type: str
    size_bytes: int
    sha256: str
    band: str
    arrived_at: datetime
    ruled_at: datetime
    corrected_band: str | None = None
    scan_outcome: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """A work as marking has it; `waits_for` is set while it is held."""

    work_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    state: str
    state_since: datetime
    waits_for: str | None
    tutor_ref: str | None
    taken_submission_id: str | None
    taken_version: int
    collected_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionQuestion:
    """What marking asks of a tutor about a version that came after collection; `tutor_ref` has the script."""

    submission_id: str
    work_id: str
    version: int
    earlier_submission_id: str
    earlier_version: int
    state: str
    opened_at: datetime
    closed_at: datetime | None
    decided_by: str | None
    tutor_ref: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Staged:
    """Where the pages for operations show a work, and since when it is there."""

    work_id: str
    assignment_id: str
    stage: str
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Obligation:
    """Somebody must be told of an event; either a delivery has it, or it waits for something.

    `way` is how the person chose to be told, None for who never did; `waits_until` when the digest is due that a
    pending one waits for, None where nothing is set.
    """

    event_id: str
    person_ref: str
    purpose: str
    work_id: str
    created_at: datetime
    state: str
    waits_for: str | None
    delivery_id: str | None
    way: str | None = None
    waits_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message and how far it is; `resent_at` is when somebody had it sent again last after it had failed."""

    delivery_id: str
    person_ref: str
    state: str
    reason: str
    created_at: datetime
    finished_at: datetime | None
    message_id: str | None
    resent_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainLink:
    """An event of the trail with what its place in the chain rests on; `payload` is None once erased."""

    position: int
    ce_id: str
    envelope: str
    payload: str | None
    payload_sha256: str
    chain: str
