"""The rules of a request: who may do what in which state, what may be agreed, and by when. Values in, values out.

A request is a proposal that changes hands: each side may agree, propose something else or decline when the other one's
proposal lies before it. In place of the tutor student support may answer, when the tutor has not or when there is none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from services.submission.catalogue.domain import Assignment, next_midnight, noon_of
from services.submission.deadlines.domain import CutOff
from shared.clock import LONDON
from shared.contracts import AssignmentKind, Party, RequestKind
from shared.errors import Conflict, Rejected
from shared.web.scopes import covers
from shared.working_days import day_after_working_days


class State(StrEnum):
    """How far a request is; `proposed` and `countered` are open, the others final."""

    PROPOSED = "proposed"
    COUNTERED = "countered"
    AGREED = "agreed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"

    @property
    def is_open(self) -> bool:
        return self in {State.PROPOSED, State.COUNTERED}


class Move(StrEnum):
    """What a side can do."""

    AGREE = "agree"
    COUNTER = "counter"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


class Reason(StrEnum):
    """Why a student needs more time: the tutor records one from a list (domain.md §1)."""

    ILLNESS = "illness"
    CARING = "caring"
    BEREAVEMENT = "bereavement"
    WORK = "work"
    TECHNICAL = "technical"
    OTHER = "other"


MAY: Mapping[tuple[Party, Party], tuple[Move, ...]] = {
    (Party.TUTOR, Party.TUTOR): (Move.AGREE, Move.COUNTER, Move.DECLINE),
    (Party.TUTOR, Party.SUPPORT): (Move.AGREE, Move.COUNTER, Move.DECLINE),
    (Party.TUTOR, Party.STUDENT): (Move.WITHDRAW,),
    (Party.STUDENT, Party.STUDENT): (Move.AGREE, Move.COUNTER, Move.DECLINE, Move.WITHDRAW),
    (Party.STUDENT, Party.TUTOR): (),
    (Party.STUDENT, Party.SUPPORT): (),
}
"""While a request is open: by whose answer is awaited and who wants to move, what they may do.

Support is let in by an escalation alone.
"""

MOST_REQUESTS = 20
"""How many requests there can be for one work: each one is mail to the tutor."""

MOST_WORDS = 2000
"""How many characters somebody may say at once."""

_NO_TEXT = {"Cc", "Cs"}
"""Categories of Unicode: control characters, and halves of characters."""

_ENDS = {Move.AGREE: State.AGREED, Move.DECLINE: State.DECLINED, Move.WITHDRAW: State.WITHDRAWN}


class RequestOpen(Conflict):
    """There is one of this kind for this work already."""

    code = "request_open"
    title = "You have asked for this already"


class CannotAsk(Conflict):
    """More time cannot be asked for, for this assignment or now."""

    code = "cannot_ask"
    title = "You cannot ask for more time here"


class RequestClosed(Conflict):
    """It has ended, and an end is final."""

    code = "request_closed"
    title = "This request has ended"


class StaleAnswer(Conflict):
    """The answer names terms that are not on the table any more."""

    code = "stale_answer"
    title = "There is another proposal by now"


class NotYourMove(Conflict):
    """The other side has the move, or this one can do something else."""

    code = "not_your_move"
    title = "This is not possible now"


class BadTerms(Rejected):
    """What is proposed cannot be agreed; `field` names what is wrong."""

    code = "bad_terms"
    title = "Please mend this and send it again"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a university sets. Days of answers are working days; `most_days` is over all agreements for one work."""

    most_days: int = 21
    tutor_days: int = 3
    student_days: int = 5
    until_grace: bool = True
    """Whether more time can be asked for during grace, or only before the cut-off."""

    def answer_by(self, turn: Party, now: datetime) -> datetime:
        """The end of the last working day in which this side is to answer."""
        return next_midnight(noon_of(day_after_working_days(now, self._days_of(turn))))

    def remind_at(self, turn: Party, now: datetime) -> datetime:
        """Noon of the working day before the last one; of one day alone, its own noon."""
        return noon_of(day_after_working_days(now, max(1, self._days_of(turn) - 1)))

    def _days_of(self, turn: Party) -> int:
        return self.student_days if turn is Party.STUDENT else self.tutor_days


@dataclass(frozen=True, kw_only=True)
class Request:
    """A student's request, with the terms on the table: a new cut-off, `cut_off_at`, under their number `revision`.

    `turn` is whose answer is awaited, until `answer_by`; `tutor_ref` who has the student's group. Until
    `protected_until`, the end of the latest day that was proposed, work is received while the request is open.
    """

    request_id: str
    work_id: str
    kind: RequestKind
    assignment_id: str
    presentation_id: str
    person_ref: str
    tutor_ref: str | None
    reason: Reason
    state: State
    turn: Party
    revision: int
    cut_off_at: datetime
    protected_until: datetime
    answer_by: datetime
    proposed_at: datetime
    changed_at: datetime
    escalated_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def is_escalated(self) -> bool:
        return self.escalated_at is not None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a side does about the terms with this number; `day` is the new last day when it proposes another."""

    move: Move
    revision: int
    day: date | None = None


class Caller(Protocol):
    """Somebody who asks, in one role, with how far that reaches."""

    @property
    def role(self) -> str: ...
    @property
    def person_ref(self) -> str: ...
    @property
    def scopes(self) -> Sequence[str]: ...


def side_of(caller: Caller) -> Party:
    """On which side somebody in this role is; raises `KeyError` for a role that is on none."""
    return {"student": Party.STUDENT, "tutor": Party.TUTOR, "support": Party.SUPPORT}[caller.role]


def is_partys(request: Request, caller: Caller) -> bool:
    """Whether the request is the caller's: the own one, of the own group, or within the scope of support."""
    if side_of(caller) is Party.SUPPORT:
        return covers(caller.scopes, presentation_id=request.presentation_id, person_ref=request.person_ref)
    own = {Party.STUDENT: request.person_ref, Party.TUTOR: request.tutor_ref}
    return own[side_of(caller)] == caller.person_ref


def possible(request: Request, party: Party) -> tuple[Move, ...]:
    """What this side may do now."""
    if not request.state.is_open or (party is Party.SUPPORT and not request.is_escalated):
        return ()
    return MAY[request.turn, party]


def check_reason(reason: Reason | None) -> Reason:
    """Raises `BadTerms` when there is none."""
    if reason is None:
        raise BadTerms("Choose what comes nearest.", field="reason")
    return reason


def clean_words(text: str, *, needed: bool) -> str:
    """Words as they are kept: one kind of line end, nothing that is no text.

    Raises `BadTerms` for more than `MOST_WORDS` characters, and for none where they are needed.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    words = "".join(each for each in lines if each == "\n" or unicodedata.category(each) not in _NO_TEXT).strip()
    if len(words) > MOST_WORDS:
        raise BadTerms(f"This has {len(words)} characters; at most {MOST_WORDS} are kept.", field="words")
    if needed and not words:
        raise BadTerms("Say why in a few words: the student reads them.", field="words")
    return words


def check_may_ask(assignment: Assignment, cut_off: CutOff, rules: Rules, *, now: datetime) -> None:
    """Raises `CannotAsk` with the reason (domain.md §1: never for an EMA; asked beforehand)."""
    if assignment.kind is AssignmentKind.EMA:
        raise CannotAsk(
            "There is no more time for an end-of-module assessment. If something prevents you, ask your student "
            "support team about special circumstances."
        )
    if assignment.kind is AssignmentKind.DUMMY:
        raise CannotAsk("This assignment counts for nothing and is never late: hand it in whenever you like.")
    if now >= (cut_off.grace_ends_at if rules.until_grace else cut_off.cut_off_at):
        raise CannotAsk(
            "More time has to be asked for before the time is over. If something prevented you, ask your student "
            "support team."
        )
    if latest_possible(assignment, rules) <= cut_off.cut_off_at:
        raise CannotAsk(
            "You have all the time that can be agreed for this assignment. If it is not enough, ask your student "
            "support team."
        )


def check_number(asked_before: int) -> None:
    """Raises `CannotAsk` when so much was asked for one work that somebody has to talk about it instead."""
    if asked_before >= MOST_REQUESTS:
        raise CannotAsk(f"You have asked {asked_before} times for this assignment. Please talk to your tutor.")


def latest_possible(assignment: Assignment, rules: Rules) -> datetime:
    """The latest cut-off that can be agreed (domain.md §1: 21 days in all, and a ceiling for the final TMA)."""
    day = assignment.cut_off_at.astimezone(LONDON).date() + timedelta(days=rules.most_days)
    return min(filter(None, (noon_of(day), assignment.latest_cut_off_at)))


def days_to_choose(assignment: Assignment, cut_off: CutOff, rules: Rules, *, now: datetime) -> Sequence[date]:
    """The days that can be agreed, in their order."""
    first = max(cut_off.cut_off_at, now).astimezone(LONDON).date()
    last = latest_possible(assignment, rules).astimezone(LONDON).date()
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if noon_of(day) > max(cut_off.cut_off_at, now)]


def check_day(day: date | None, assignment: Assignment, cut_off: CutOff, rules: Rules, *, now: datetime) -> datetime:
    """The cut-off on that day; raises `BadTerms` when it cannot be agreed."""
    if day is None:
        raise BadTerms("Choose a day.", field="day")
    wanted, latest = noon_of(day), latest_possible(assignment, rules)
    if wanted <= cut_off.cut_off_at:
        raise BadTerms(f"It has to be later than the cut-off as it is: {_name(cut_off.cut_off_at)}.", field="day")
    if wanted <= now:
        raise BadTerms("That day's noon is over. Give a later day.", field="day")
    if wanted > latest:
        raise BadTerms(f"The latest day that can be agreed for this assignment is {_name(latest)}.", field="day")
    return wanted


def answered(request: Request, answer: Answer, party: Party, rules: Rules, *, now: datetime) -> Request:
    """The request after this answer; a new day was checked before.

    Raises `RequestClosed`, `StaleAnswer` and `NotYourMove`, each of which says what is possible.
    """
    if not request.state.is_open:
        raise RequestClosed(f"It was {request.state} on {_name(request.changed_at)}. Nothing was changed now.")
    if answer.revision != request.revision:
        raise StaleAnswer("Another proposal was made after the one that you answered. Read it, and answer that one.")
    moves = possible(request, party)
    if answer.move not in moves:
        can = " or ".join(moves) or "wait for the other side's answer"
        raise NotYourMove(f"What you can do now is: {can}. Nothing was changed.")
    if answer.move is not Move.COUNTER:
        return replace(request, state=_ENDS[answer.move], changed_at=now, closed_at=now)
    if answer.day is None:
        raise BadTerms("Choose a day.", field="day")
    wanted = noon_of(answer.day)
    turn = Party.TUTOR if party is Party.STUDENT else Party.STUDENT
    return replace(
        request,
        state=State.COUNTERED,
        turn=turn,
        revision=request.revision + 1,
        cut_off_at=wanted,
        protected_until=max(request.protected_until, next_midnight(wanted)),
        answer_by=rules.answer_by(turn, now),
        changed_at=now,
        escalated_at=request.escalated_at or (now if request.tutor_ref is None else None),
    )


def lapsed(request: Request, *, now: datetime) -> Request:
    """The student has not answered in time."""
    return replace(request, state=State.LAPSED, changed_at=now, closed_at=now)


def escalated(request: Request, rules: Rules, *, now: datetime) -> Request:
    """The tutor has not answered in time, or there is none: support may answer as well, and is waited for as long.

    Escalated once, it stays so; again, it is support that is given more time.
    """
    since = request.escalated_at or now
    return replace(request, escalated_at=since, changed_at=now, answer_by=rules.answer_by(Party.SUPPORT, now))


def moved(request: Request, tutor_ref: str | None, *, now: datetime) -> Request:
    """The student's group has another tutor now, who has as long to answer as the one before had left."""
    return replace(request, tutor_ref=tutor_ref, changed_at=now)


def day_before(moment: datetime) -> date:
    """The UK day that ends with this moment."""
    return (moment - timedelta(microseconds=1)).astimezone(LONDON).date()


def _name(moment: datetime) -> str:
    local = moment.astimezone(LONDON)
    return f"{local:%A} {local.day} {local:%B %Y}"
