"""Which fact obliges us to tell whom what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.notifier.directory.domain import OPERATIONS, SUPPORT
from shared.contracts import (
    CollectedVersionScanned,
    LatenessCorrected,
    LaterVersionDeclined,
    LaterVersionTaken,
    Party,
    RequestAgreed,
    RequestCountered,
    RequestDeclined,
    RequestEscalated,
    RequestFact,
    RequestLapsed,
    RequestMoved,
    RequestProposed,
    RequestReminded,
    RequestWithdrawn,
    ScanOutcome,
    ScriptAllocated,
    ScriptHeld,
    ScriptReallocated,
    SubmissionReceived,
    SubmissionRefused,
    SubmissionScanned,
    UploadLapsed,
    VersionNotTaken,
)


class Purpose(StrEnum):
    """What a person is told."""

    RECEIPT = "receipt"
    REFUSED = "refused"
    UPLOAD_LAPSED = "upload_lapsed"
    VERSION_NOT_TAKEN = "version_not_taken"
    VERSION_QUESTION = "version_question"
    LATER_VERSION_TAKEN = "later_version_taken"
    LATER_VERSION_DECLINED = "later_version_declined"
    NEW_SCRIPT = "new_script"
    SCRIPT_MOVED = "script_moved"
    LATENESS_CORRECTED = "lateness_corrected"
    MALWARE_FOUND = "malware_found"
    MALWARE_CLEARED = "malware_cleared"
    WORK_BLOCKED = "work_blocked"
    WORK_UNSCANNABLE = "work_unscannable"
    DO_NOT_OPEN = "do_not_open"
    MAY_OPEN = "may_open"
    REQUEST_MADE = "request_made"
    REQUEST_COUNTERED = "request_countered"
    REQUEST_AGREED = "request_agreed"
    REQUEST_DECLINED = "request_declined"
    REQUEST_WITHDRAWN = "request_withdrawn"
    REQUEST_LAPSED = "request_lapsed"
    REQUEST_ESCALATED = "request_escalated"
    REQUEST_FOR_SUPPORT = "request_for_support"
    REQUEST_REMINDER = "request_reminder"
    REQUEST_MOVED = "request_moved"


class Patience(StrEnum):
    """How long a person may leave us waiting before they are told by mail.

    `none`: mailed at once whatever was chosen. `some`: at once, unless the person chose the daily digest or the inbox.
    `gathered`: the same, and with others of its kind even for who chose to be told at once, because it comes often.
    """

    NONE = "none"
    SOME = "some"
    GATHERED = "gathered"


@dataclass(frozen=True)
class Rule:
    """Whether word of something may wait, and why; `audience` is whom it can concern."""

    audience: tuple[str, ...]
    patience: Patience
    because: str

    @property
    def may_wait(self) -> bool:
        """Whether it may wait for the daily digest, or stay in the inbox."""
        return self.patience is not Patience.NONE


STUDENT, TUTOR, BOTH = ("student",), ("tutor",), ("student", "tutor")

RULES: Mapping[Purpose, Rule] = {
    Purpose.RECEIPT: Rule(STUDENT, Patience.NONE, "it is the proof that the work arrived"),
    Purpose.REFUSED: Rule(STUDENT, Patience.NONE, "nothing is handed in, and there may be time yet"),
    Purpose.UPLOAD_LAPSED: Rule(STUDENT, Patience.NONE, "nothing is handed in, and there may be time yet"),
    Purpose.MALWARE_FOUND: Rule(STUDENT, Patience.NONE, "a clean file is asked for, and a computer may be infected"),
    Purpose.MALWARE_CLEARED: Rule(STUDENT, Patience.NONE, "it takes back what was asked for at once"),
    Purpose.VERSION_NOT_TAKEN: Rule(STUDENT, Patience.SOME, "the tutor answers; there is nothing to do"),
    Purpose.LATER_VERSION_TAKEN: Rule(STUDENT, Patience.SOME, "it is settled; there is nothing to do"),
    Purpose.LATER_VERSION_DECLINED: Rule(STUDENT, Patience.SOME, "it is settled; there is nothing to do"),
    Purpose.LATENESS_CORRECTED: Rule(STUDENT, Patience.SOME, "it is settled; there is nothing to do"),
    Purpose.DO_NOT_OPEN: Rule(TUTOR, Patience.NONE, "a computer may be infected"),
    Purpose.MAY_OPEN: Rule(TUTOR, Patience.NONE, "it takes back a warning that came at once"),
    Purpose.VERSION_QUESTION: Rule(TUTOR, Patience.SOME, "the list of scripts says at its top that it waits"),
    Purpose.NEW_SCRIPT: Rule(TUTOR, Patience.GATHERED, "there are ten working days to mark it"),
    Purpose.SCRIPT_MOVED: Rule(TUTOR, Patience.GATHERED, "there is nothing to do"),
    Purpose.REQUEST_MADE: Rule(TUTOR, Patience.NONE, "the time to answer runs"),
    Purpose.REQUEST_COUNTERED: Rule(BOTH, Patience.NONE, "the time to answer runs"),
    Purpose.REQUEST_REMINDER: Rule(BOTH, Patience.NONE, "the time to answer is nearly over"),
    Purpose.REQUEST_AGREED: Rule(BOTH, Patience.NONE, "it says until when there is time"),
    Purpose.REQUEST_DECLINED: Rule(BOTH, Patience.NONE, "the cut-off stays as it is"),
    Purpose.REQUEST_LAPSED: Rule(BOTH, Patience.NONE, "the cut-off stays as it is"),
    Purpose.REQUEST_ESCALATED: Rule(STUDENT, Patience.SOME, "others answer; there is nothing to do"),
    Purpose.REQUEST_WITHDRAWN: Rule(TUTOR, Patience.SOME, "there is nothing to do any more"),
    Purpose.REQUEST_MOVED: Rule(TUTOR, Patience.SOME, "there is nothing to do any more"),
    Purpose.REQUEST_FOR_SUPPORT: Rule((SUPPORT,), Patience.NONE, "one address for all who could choose"),
    Purpose.WORK_BLOCKED: Rule((OPERATIONS,), Patience.NONE, "one address for all who could choose"),
    Purpose.WORK_UNSCANNABLE: Rule((OPERATIONS,), Patience.NONE, "one address for all who could choose"),
}
"""What may wait, and what is told at once."""


class ObligationState(StrEnum):
    """`held`: waits for somebody to become known; `pending`: waits for a digest; `assigned`: in a delivery."""

    HELD = "held"
    PENDING = "pending"
    ASSIGNED = "assigned"


class WaitsFor(StrEnum):
    """What a held obligation waits for; a closed list."""

    PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class Duty:
    """Somebody must be told something about a piece of work. `parameters` are what the words need: codes, no text."""

    person_ref: str
    purpose: Purpose
    work_id: str
    assignment_id: str
    submission_id: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Obligation:
    """A duty because of one event. `correlation_id` is that of the request that began it all."""

    obligation_id: str
    event_id: str
    event_type: str
    correlation_id: str
    duty: Duty
    created_at: datetime
    state: ObligationState
    waits_for: WaitsFor | None = None
    delivery_id: str | None = None


def receipts(fact: SubmissionReceived) -> list[Duty]:
    """Give the student the receipt, and a person who handed in for the student as well."""
    told = dict.fromkeys((fact.person_ref, fact.submitted_by))
    return [_of_version(fact, person_ref, Purpose.RECEIPT) for person_ref in told]


def refusals(fact: SubmissionRefused) -> list[Duty]:
    """Tell the student why the work was refused."""
    return [
        Duty(
            person_ref=fact.person_ref,
            purpose=Purpose.REFUSED,
            work_id=fact.work_id,
            assignment_id=fact.assignment_id,
            parameters={"reason": fact.reason.value},
        )
    ]


def lapses(fact: UploadLapsed) -> list[Duty]:
    """Tell the student that the file is deleted, because nobody handed it in."""
    return [
        Duty(
            person_ref=fact.person_ref,
            purpose=Purpose.UPLOAD_LAPSED,
            work_id=fact.work_id,
            assignment_id=fact.assignment_id,
        )
    ]


def corrections(fact: LatenessCorrected) -> list[Duty]:
    """Tell the student how the work stands to the cut-off now."""
    return [_of_version(fact, fact.person_ref, Purpose.LATENESS_CORRECTED, band=fact.band.value, why=fact.reason.value)]


def scans(fact: SubmissionScanned) -> list[Duty]:
    """Tell the student of malware, or that it was none after all; and operations staff of what needs a look."""
    released = (fact.outcome, fact.outcome_before) == (ScanOutcome.CLEAN, ScanOutcome.BLOCKED)
    told = {
        ScanOutcome.BLOCKED: [(fact.person_ref, Purpose.MALWARE_FOUND), (OPERATIONS, Purpose.WORK_BLOCKED)],
        ScanOutcome.UNSCANNABLE: [(OPERATIONS, Purpose.WORK_UNSCANNABLE)],
        ScanOutcome.CLEAN: [(fact.person_ref, Purpose.MALWARE_CLEARED)] if released else [],
    }
    return [_of_version(fact, person_ref, purpose) for person_ref, purpose in told.get(fact.outcome, ())]


def warnings(fact: CollectedVersionScanned) -> list[Duty]:
    """Tell the tutor who has the file not to open it, or that it may be opened after all."""
    told = {ScanOutcome.BLOCKED: Purpose.DO_NOT_OPEN, ScanOutcome.CLEAN: Purpose.MAY_OPEN}
    return [_of_version(fact, fact.tutor_ref, told[fact.outcome])] if fact.outcome in told else []


def questions(fact: VersionNotTaken) -> list[Duty]:
    """Tell the student that the tutor has an earlier version, and ask the tutor."""
    told = [(fact.person_ref, Purpose.VERSION_NOT_TAKEN)]
    if fact.tutor_ref is not None:
        told.append((fact.tutor_ref, Purpose.VERSION_QUESTION))
    return [_of_version(fact, person_ref, purpose, reason=fact.reason.value) for person_ref, purpose in told]


def takings(fact: LaterVersionTaken) -> list[Duty]:
    """Tell the student that the tutor takes the later version; the tutor knows, who chose it."""
    return [_of_version(fact, fact.person_ref, Purpose.LATER_VERSION_TAKEN, earlier_version=str(fact.earlier_version))]


def declinings(fact: LaterVersionDeclined) -> list[Duty]:
    """Tell the student that the tutor keeps the earlier version."""
    earlier = str(fact.earlier_version)
    return [_of_version(fact, fact.person_ref, Purpose.LATER_VERSION_DECLINED, earlier_version=earlier)]


class OfVersion(Protocol):
    """A fact about one version of a piece of work."""

    @property
    def work_id(self) -> str: ...
    @property
    def assignment_id(self) -> str: ...
    @property
    def submission_id(self) -> str: ...
    @property
    def version(self) -> int: ...


def _of_version(fact: OfVersion, person_ref: str, purpose: Purpose, **parameters: str) -> Duty:
    """Somebody must be told of this version."""
    return Duty(
        person_ref=person_ref,
        purpose=purpose,
        work_id=fact.work_id,
        assignment_id=fact.assignment_id,
        submission_id=fact.submission_id,
        parameters={"version": str(fact.version), **parameters},
    )


def allocations(fact: ScriptAllocated) -> list[Duty]:
    """Tell the tutor of the script."""
    return [
        Duty(
            person_ref=fact.tutor_ref,
            purpose=Purpose.NEW_SCRIPT,
            work_id=fact.work_id,
            assignment_id=fact.assignment_id,
        )
    ]


def moves(fact: ScriptReallocated) -> list[Duty]:
    """Tell both tutors: the one who had the script, and the one who has it now."""
    return [
        Duty(person_ref=person_ref, purpose=purpose, work_id=fact.work_id, assignment_id=fact.assignment_id)
        for person_ref, purpose in (
            (fact.from_tutor_ref, Purpose.SCRIPT_MOVED),
            (fact.tutor_ref, Purpose.NEW_SCRIPT),
        )
    ]


def withdrawals(fact: ScriptHeld) -> list[Duty]:
    """Tell the tutor who had the script, if there was one, that it is theirs no longer."""
    if fact.from_tutor_ref is None:
        return []
    return [
        Duty(
            person_ref=fact.from_tutor_ref,
            purpose=Purpose.SCRIPT_MOVED,
            work_id=fact.work_id,
            assignment_id=fact.assignment_id,
        )
    ]


def _of_request(fact: RequestFact, person_ref: str | None, purpose: Purpose, **parameters: str) -> list[Duty]:
    """Somebody must be told of this request; nobody, where there is nobody."""
    if person_ref is None:
        return []
    return [
        Duty(
            person_ref=person_ref,
            purpose=purpose,
            work_id=fact.work_id,
            assignment_id=fact.assignment_id,
            parameters={"request_id": fact.request_id, **parameters},
        )
    ]


def _other_side(fact: RequestFact, by: Party) -> str | None:
    return fact.tutor_ref if by is Party.STUDENT else fact.person_ref


def askings(fact: RequestProposed) -> list[Duty]:
    """Tell the tutor what the student asks for."""
    until, by = fact.cut_off_at.isoformat(), fact.answer_by.isoformat()
    return _of_request(fact, fact.tutor_ref, Purpose.REQUEST_MADE, until=until, answer_by=by)


def counters(fact: RequestCountered) -> list[Duty]:
    """Tell the other side what is proposed; support where it would answer for a tutor whom there is not."""
    until, by = fact.cut_off_at.isoformat(), fact.answer_by.isoformat()
    told = _other_side(fact, fact.by)
    if told is None:
        return _of_request(fact, SUPPORT, Purpose.REQUEST_FOR_SUPPORT)
    return _of_request(fact, told, Purpose.REQUEST_COUNTERED, until=until, answer_by=by)


def agreements(fact: RequestAgreed) -> list[Duty]:
    """Tell both sides until when there is time."""
    until = fact.cut_off_at.isoformat()
    return [
        *_of_request(fact, fact.person_ref, Purpose.REQUEST_AGREED, until=until, to="student"),
        *_of_request(fact, fact.tutor_ref, Purpose.REQUEST_AGREED, until=until, to="tutor"),
    ]


def refusals_of_requests(fact: RequestDeclined) -> list[Duty]:
    """Tell the other side that there is no agreement."""
    return _of_request(fact, _other_side(fact, fact.by), Purpose.REQUEST_DECLINED, by=fact.by.value)


def withdrawals_of_requests(fact: RequestWithdrawn) -> list[Duty]:
    """Tell the tutor that the student does not ask any more."""
    return _of_request(fact, fact.tutor_ref, Purpose.REQUEST_WITHDRAWN)


def lapses_of_requests(fact: RequestLapsed) -> list[Duty]:
    """Tell both that it ended without an answer of the student."""
    return [
        *_of_request(fact, fact.person_ref, Purpose.REQUEST_LAPSED, to="student"),
        *_of_request(fact, fact.tutor_ref, Purpose.REQUEST_LAPSED, to="tutor"),
    ]


def escalations(fact: RequestEscalated) -> list[Duty]:
    """Tell support that it may answer, and the student that it may."""
    return [
        *_of_request(fact, SUPPORT, Purpose.REQUEST_FOR_SUPPORT),
        *_of_request(fact, fact.person_ref, Purpose.REQUEST_ESCALATED),
    ]


def reminders(fact: RequestReminded) -> list[Duty]:
    """Remind who is to answer."""
    if fact.party is Party.SUPPORT:
        return _of_request(fact, SUPPORT, Purpose.REQUEST_FOR_SUPPORT)
    told = fact.person_ref if fact.party is Party.STUDENT else fact.tutor_ref
    return _of_request(fact, told, Purpose.REQUEST_REMINDER, answer_by=fact.answer_by.isoformat())


def moves_of_requests(fact: RequestMoved) -> list[Duty]:
    """Tell the tutor who has the group now, and the one who had it."""
    return [
        *_of_request(fact, fact.tutor_ref, Purpose.REQUEST_MADE),
        *_of_request(fact, fact.from_tutor_ref, Purpose.REQUEST_MOVED),
    ]
