"""How obligations are grouped into messages, what a message says, and what follows from how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.notifier.channels.port import Fate, Outcome
from services.notifier.directory.domain import Contact
from services.notifier.obligations.domain import DIGEST_PURPOSES, Obligation
from services.notifier.obligations.wording import Words, words_of

MAX_UNCERTAIN = 5
"""How often a message is tried whose failure nobody understands."""

_LONGEST_WAIT = timedelta(minutes=5)


class DeliveryState(StrEnum):
    """`queued` waits for the sender; `sending` is with it; `uncertain` may have left and goes again under the same id.

    `sent`, `failed` and `suppressed` (web inbox only) are final.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class SuppressReason(StrEnum):
    """Why nothing is mailed; a closed list."""

    NO_ADDRESS = "no_address"


class Flaw(StrEnum):
    """Why a delivery can never go out, whatever the channel; a closed list."""

    NOTHING_TO_TELL = "nothing_to_tell"
    PERSON_UNKNOWN = "person_unknown"
    NO_ADDRESS = "no_address"
    UNREADABLE = "unreadable"
    ERASED = "erased"
    """The person was erased after a sender had claimed it: not failed, there is nobody to tell."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one person. `uncertain_attempts` are those of `attempts` whose end nobody understood."""

    delivery_id: str
    person_ref: str
    message_id: str
    correlation_id: str
    state: DeliveryState
    reason: str = ""
    attempts: int = 0
    uncertain_attempts: int = 0
    created_at: datetime
    next_try_at: datetime


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Obligations towards one person that go out as one message."""

    person_ref: str
    obligations: tuple[Obligation, ...]


def at_once(owed: Sequence[Obligation]) -> list[Batch]:
    """Return a message for each obligation that does not wait for a digest."""
    urgent = (o for o in owed if o.duty.purpose not in DIGEST_PURPOSES)
    return [Batch(person_ref=o.duty.person_ref, obligations=(o,)) for o in urgent]


def digests(owed: Sequence[Obligation]) -> list[Batch]:
    """Return a message for each person with all that may wait."""
    of_person: dict[str, list[Obligation]] = {}
    for obligation in owed:
        if obligation.duty.purpose in DIGEST_PURPOSES:
            of_person.setdefault(obligation.duty.person_ref, []).append(obligation)
    return [Batch(person_ref=person_ref, obligations=tuple(group)) for person_ref, group in of_person.items()]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that a letter tells, and where to see it (an absolute URL)."""

    sentence: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Letter:
    """All that a message says; the name is in the greeting and nowhere else."""

    name: str
    subject: str
    lines: tuple[Line, ...]
    inbox_url: str


def letter_of(contact: Contact, told: Sequence[Obligation], labels: Mapping[str, str], *, base_url: str) -> Letter:
    """Write one letter about all of `told`; equal things about one assignment become one line with their number."""
    groups: dict[tuple[str, ...], list[Obligation]] = {}
    for obligation in told:
        groups.setdefault(_sameness(obligation), []).append(obligation)
    words = [words_of(g[0].duty, label=labels[g[0].duty.assignment_id], count=len(g)) for g in groups.values()]
    return Letter(
        name=contact.name,
        subject=_subject(words),
        lines=tuple(Line(sentence=said.sentence, url=f"{base_url}{said.path}") for said in words),
        inbox_url=f"{base_url}/inbox",
    )


def _sameness(obligation: Obligation) -> tuple[str, ...]:
    duty = obligation.duty
    if duty.purpose in DIGEST_PURPOSES:
        return (duty.purpose, duty.assignment_id)
    return (obligation.obligation_id,)


def _subject(words: Sequence[Words]) -> str:
    return words[0].subject if len(words) == 1 else f"{len(words)} pieces of news about your scripts"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of a delivery after an attempt."""

    state: DeliveryState
    reason: str
    uncertain_attempts: int
    wait: timedelta


def judge(delivery: Delivery, outcome: Outcome) -> Verdict:
    """Say what follows from an attempt: an outage is waited for without end, what nobody understands only so often."""
    if outcome.reason == Flaw.ERASED:
        return _suppressed(delivery)
    uncertain = delivery.uncertain_attempts + (outcome.fate is Fate.UNCERTAIN)
    state = {
        Fate.ACCEPTED: DeliveryState.SENT,
        Fate.REJECTED: DeliveryState.FAILED,
        Fate.UNAVAILABLE: DeliveryState.QUEUED,
        Fate.UNCERTAIN: DeliveryState.UNCERTAIN if uncertain < MAX_UNCERTAIN else DeliveryState.FAILED,
    }[outcome.fate]
    return Verdict(state=state, reason=outcome.reason, uncertain_attempts=uncertain, wait=wait_after(delivery.attempts))


def _suppressed(delivery: Delivery) -> Verdict:
    return Verdict(
        state=DeliveryState.SUPPRESSED,
        reason=SuppressReason.NO_ADDRESS,
        uncertain_attempts=delivery.uncertain_attempts,
        wait=timedelta(0),
    )


def wait_after(attempts: int) -> timedelta:
    """Return the pause after so many attempts: doubling from one second, five minutes at most."""
    return min(timedelta(seconds=2 ** min(max(attempts - 1, 0), 10)), _LONGEST_WAIT)
