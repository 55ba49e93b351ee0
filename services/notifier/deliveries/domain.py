"""How obligations are grouped into messages, what a message says, and what follows from how it went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.notifier.channels.port import Fate, Outcome
from services.notifier.directory.domain import GROUPS, Contact
from services.notifier.obligations.domain import RULES, STUDENT, TUTOR, Obligation, Patience
from services.notifier.obligations.wording import Words, words_of
from services.notifier.preferences.domain import Course, Way, course_of

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
    INBOX_ONLY = "inbox_only"
    """The person chose to be told under Messages alone, and it is nothing that cannot wait."""


class Flaw(StrEnum):
    """Why a delivery can never go out, whatever the channel; a closed list."""

    NOTHING_TO_TELL = "nothing_to_tell"
    PERSON_UNKNOWN = "person_unknown"
    NO_ADDRESS = "no_address"
    UNREADABLE = "unreadable"
    ERASED = "erased"
    """The person was erased after a sender had claimed it: not failed, there is nobody to tell."""


def flaw_of(contact: Contact | None, *, tells: bool) -> Flaw | None:
    """Return what keeps any delivery from this person, or one that `tells` nothing; None when it can go out."""
    if not tells:
        return Flaw.NOTHING_TO_TELL
    if contact is None:
        return Flaw.PERSON_UNKNOWN
    if contact.email is None:
        return Flaw.ERASED if contact.erased else Flaw.NO_ADDRESS
    return None


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
    """Obligations towards one person that go out as one message, or with `silent` are under Messages alone."""

    person_ref: str
    obligations: tuple[Obligation, ...]
    silent: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of obligations: `batches` go now, `gathered` waits a short while and `daily` until morning."""

    batches: tuple[Batch, ...]
    gathered: tuple[Obligation, ...] = ()
    daily: tuple[Obligation, ...] = ()


def plan(owed: Sequence[Obligation], ways: Mapping[str, Way], *, unreachable: Collection[str], gathers: bool) -> Plan:
    """Say what becomes of each, by what its person chose; who has not chosen is told at once.

    Nothing waits for persons who are `unreachable` for good, and without `gathers` nothing waits for others of a while.
    """
    on: dict[Course, list[Obligation]] = {course: [] for course in Course}
    for obligation in owed:
        person_ref = obligation.duty.person_ref
        course = course_of(obligation.duty.purpose, ways.get(person_ref, Way.AT_ONCE))
        on[Course.ALONE if person_ref in unreachable else course].append(obligation)
    now = [*alone(on[Course.ALONE]), *together(on[Course.INBOX], silent=True)]
    if gathers:
        return Plan(batches=tuple(now), gathered=tuple(on[Course.GATHERED]), daily=tuple(on[Course.DAILY]))
    return Plan(batches=(*now, *together(on[Course.GATHERED])), daily=tuple(on[Course.DAILY]))


def alone(owed: Sequence[Obligation]) -> list[Batch]:
    """Return a message for each."""
    return [Batch(person_ref=o.duty.person_ref, obligations=(o,)) for o in owed]


def together(owed: Sequence[Obligation], *, silent: bool = False) -> list[Batch]:
    """Return a message for each person with all of theirs."""
    return [
        Batch(person_ref=person_ref, obligations=tuple(group), silent=silent)
        for person_ref, group in by_person(owed).items()
    ]


def by_person(owed: Sequence[Obligation]) -> dict[str, list[Obligation]]:
    """Return them by whom they are owed to, in their order."""
    of_person: dict[str, list[Obligation]] = {}
    for obligation in owed:
        of_person.setdefault(obligation.duty.person_ref, []).append(obligation)
    return of_person


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that a letter tells, and where to see it (an absolute URL)."""

    sentence: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Letter:
    """All that a message says; the name is in the greeting and nowhere else.

    `preferences_url` is where the reader chooses how to be told, None for a shared address.
    """

    name: str
    subject: str
    lines: tuple[Line, ...]
    inbox_url: str
    preferences_url: str | None


def letter_of(contact: Contact, told: Sequence[Obligation], labels: Mapping[str, str], *, base_url: str) -> Letter:
    """Write one letter about all of `told`; equal things about one assignment become one line with their number."""
    groups: dict[tuple[str, ...], list[Obligation]] = {}
    for obligation in told:
        groups.setdefault(_sameness(obligation), []).append(obligation)
    words = [words_of(g[0].duty, label=labels[g[0].duty.assignment_id], count=len(g)) for g in groups.values()]
    return Letter(
        name=contact.name,
        subject=_subject(words, {who for obligation in told for who in RULES[obligation.duty.purpose].audience}),
        lines=tuple(Line(sentence=said.sentence, url=f"{base_url}{said.path}") for said in words),
        inbox_url=f"{base_url}/inbox",
        preferences_url=None if contact.person_ref in GROUPS else f"{base_url}/preferences",
    )


def _sameness(obligation: Obligation) -> tuple[str, ...]:
    duty = obligation.duty
    if RULES[duty.purpose].patience is Patience.GATHERED:
        return (duty.purpose, duty.assignment_id)
    return (obligation.obligation_id,)


_ABOUT: Mapping[frozenset[str], str] = {
    frozenset(TUTOR): " about your scripts",
    frozenset(STUDENT): " about your work",
}
"""What news of several things is about, by whom it concerns; who is both a tutor and a student hears of both."""


def _subject(words: Sequence[Words], audiences: Collection[str]) -> str:
    if len(words) == 1:
        return words[0].subject
    return f"{len(words)} pieces of news{_ABOUT.get(frozenset(audiences), '')}"


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
