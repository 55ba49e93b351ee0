"""Asking, answering, and what happens by itself when nobody answers. Each step is said once, in its transaction."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from services.submission.catalogue.domain import Assignment, groups_key, next_midnight
from services.submission.catalogue.store import CatalogueStore
from services.submission.catalogue.views import CatalogueViews
from services.submission.deadlines.domain import RULE_WORK_AGAIN, CutOff
from services.submission.deadlines.store import DeadlineStore
from services.submission.deadlines.views import Deadlines
from services.submission.negotiation.domain import (
    Answer,
    CannotAsk,
    Move,
    Reason,
    Request,
    RequestOpen,
    Rules,
    State,
    answered,
    check_day,
    check_may_ask,
    check_number,
    check_reason,
    clean_words,
    day_before,
    days_to_choose,
    escalated,
    is_partys,
    lapsed,
    moved,
    side_of,
)
from services.submission.negotiation.store import RequestStore, Word
from services.submission.negotiation.views import RequestLine, RequestViews
from shared.contracts import (
    CorrectionReason,
    CutOffChanged,
    Fact,
    Party,
    RequestAgreed,
    RequestCountered,
    RequestDeclined,
    RequestEscalated,
    RequestKind,
    RequestLapsed,
    RequestMoved,
    RequestProposed,
    RequestReminded,
    RequestWithdrawn,
    work_id_of,
)
from shared.database import Context, Database, Transaction
from shared.errors import NotFound
from shared.looks import record_look
from shared.persons import erased_among
from shared.timers import Timer, TimerHandler, Timers
from shared.web.tokens import Principal

ANSWER_DUE = "submission.answer_due"
"""The kind of timer, by request, that fires when the time to answer is over."""

REMINDER_DUE = "submission.reminder_due"

GROUPS_CHANGED = "submission.groups_changed"
"""The kind of timer, by presentation, that is set when students who wait for an answer may have another tutor."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a student asks for: the new last day, why, and in own words. Without a day or a reason it is refused."""

    day: date | None
    reason: Reason | None
    words: str


@dataclass(frozen=True, kw_only=True)
class AskingForm:
    """What the page shows on which a student asks; `cannot` says why there is nothing to ask for.

    `answer_day` is until when the tutor would have to answer, `latest` the last request about this work.
    """

    assignment: Assignment
    cut_off: CutOff
    days: Sequence[date]
    cannot: str | None
    answer_day: date
    latest: RequestLine | None


class Requests:
    """The use cases of both sides."""

    def __init__(
        self,
        *,
        database: Database,
        catalogue: CatalogueViews,
        deadlines: Deadlines,
        rules: Rules,
    ) -> None:
        self.database = database
        self.catalogue = catalogue
        self.deadlines = deadlines
        self.rules = rules
        self.store = RequestStore()
        self.views = RequestViews()
        self.own_cut_offs = DeadlineStore()
        self.revisions = CatalogueStore()
        self.timers = Timers()

    def timer_handlers(self) -> Mapping[str, TimerHandler]:
        return {ANSWER_DUE: self.end_of_patience, REMINDER_DUE: self.remind, GROUPS_CHANGED: self.regroup}

    def ask(self, assignment_id: str, asked: Asked, student: Principal, *, correlation_id: str = "") -> Request:
        """Ask for more time; the same once more, while it is open, is the same request.

        Raises `NotFound`, `CannotAsk`, `BadTerms`, and `RequestOpen` when another one is open.
        """
        work_id = work_id_of(assignment_id, student.person_ref)
        asked = replace(asked, words=clean_words(asked.words, needed=False))
        reason = check_reason(asked.reason)
        with self.database.transaction(Context(actor=student.actor, correlation_id=correlation_id)) as tx:
            tx.lock(work_id)
            assignment = self._own_assignment(assignment_id, student.person_ref, tx.connection)
            deadline = self.deadlines.of(tx.connection, assignment, work_id)
            check_may_ask(assignment, deadline.cut_off, self.rules, now=tx.now)
            wanted = check_day(asked.day, assignment, deadline.cut_off, self.rules, now=tx.now)
            is_open = self.store.open_of_work(work_id, RequestKind.MORE_TIME, tx)
            if is_open is not None:
                return _same(is_open, wanted, asked)
            check_number(self.store.number_of_work(work_id, tx))
            tx.lock(groups_key(assignment.presentation_id))
            tutor_ref = self.catalogue.tutor_of(tx.connection, assignment.presentation_id, student.person_ref)
            request = Request(
                request_id=str(uuid.uuid4()),
                work_id=work_id,
                kind=RequestKind.MORE_TIME,
                assignment_id=assignment_id,
                presentation_id=assignment.presentation_id,
                person_ref=student.person_ref,
                tutor_ref=tutor_ref,
                reason=reason,
                state=State.PROPOSED,
                turn=Party.TUTOR,
                revision=1,
                cut_off_at=wanted,
                protected_until=next_midnight(wanted),
                answer_by=self.rules.answer_by(Party.TUTOR, tx.now),
                proposed_at=tx.now,
                changed_at=tx.now,
            )
            self._step(request, "propose", Party.STUDENT, student.person_ref, asked.words, tx)
            self._wait(request, tx)
            tx.publish(
                RequestProposed(**_of(request), cut_off_at=wanted, answer_by=request.answer_by, proposed_at=tx.now)
            )
            return self._escalate(request, tx) if tutor_ref is None else request

    def form(self, assignment_id: str, student: Principal) -> AskingForm:
        """What a student needs to know to ask; raises `NotFound`."""
        work_id = work_id_of(assignment_id, student.person_ref)
        with self.database.reading() as connection:
            assignment = self._own_assignment(assignment_id, student.person_ref, connection)
            deadline = self.deadlines.of(connection, assignment, work_id)
            latest = self.views.of_work(connection, work_id, student)
        now = self.database.clock.now()
        cannot = self._why_not(assignment, deadline.cut_off)
        days = [] if cannot else days_to_choose(assignment, deadline.cut_off, self.rules, now=now)
        return AskingForm(
            assignment=assignment,
            cut_off=deadline.cut_off,
            days=days,
            cannot=cannot,
            answer_day=day_before(self.rules.answer_by(Party.TUTOR, now)),
            latest=latest,
        )

    def show(self, request_id: str, caller: Principal) -> tuple[RequestLine, Sequence[date]]:
        """The conversation, and the days that could be proposed; that support looked is recorded. Raises `NotFound`."""
        if side_of(caller) is Party.SUPPORT:
            self._record_look(request_id, caller)
        with self.database.reading() as connection:
            line = self.views.request(connection, request_id, caller)
            assignment = self.catalogue.assignment(connection, line.assignment_id)
            if assignment is None or Move.COUNTER not in line.moves:
                return line, []
            deadline = self.deadlines.of(connection, assignment, line.work_id)
        return line, days_to_choose(assignment, deadline.cut_off, self.rules, now=self.database.clock.now())

    def _record_look(self, request_id: str, caller: Principal) -> None:
        with self.database.transaction(Context(actor=caller.actor)) as tx:
            request = self.store.of_id(request_id, tx)
            if request is not None and is_partys(request, caller):
                record_look(tx, person_ref=request.person_ref, what="request")

    def list_of(self, caller: Principal, *, after: int | None = None) -> Sequence[RequestLine]:
        """A page of the caller's requests."""
        with self.database.reading() as connection:
            return self.views.list_of(connection, caller, after=after)

    def answer(
        self, request_id: str, answer: Answer, words: str, caller: Principal, *, correlation_id: str = ""
    ) -> Request:
        """Do what the caller's side can do; the same once more changes nothing.

        Raises `NotFound`, `BadTerms`, and what `domain.answered` raises.
        """
        party = side_of(caller)
        words = clean_words(words, needed=answer.move is Move.DECLINE and party is not Party.STUDENT)
        with self.database.transaction(Context(actor=caller.actor, correlation_id=correlation_id)) as tx:
            request = self._locked(request_id, caller, tx)
            if self.store.was_said(request, answer, party, words, tx):
                return request
            after = answered(request, answer, party, self.rules, now=tx.now)
            if answer.move is Move.COUNTER:
                self._check(after, answer, tx)
            self._step(after, str(answer.move), party, caller.person_ref, words, tx)
            if after.state.is_open:
                self._wait(after, tx)
            else:
                self._end(after, tx)
            tx.publish(_said(after, party, tx))
            return after

    def end_of_patience(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """Without the tutor's answer support may answer, and is reminded; without the student's the request lapses."""
        for request in self._of(timers, tx):
            if request.answer_by > tx.now:
                self._wait(request, tx)
            elif request.turn is Party.STUDENT:
                self._lapse(request, tx)
            elif request.is_escalated:
                self._remind_support(request, tx)
            else:
                self._escalate(request, tx)

    def remind(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """Remind whoever is to answer."""
        for request in self._of(timers, tx):
            if request.answer_by > tx.now:
                tx.publish(_reminder(request, tx))

    def expect_regrouping(self, presentation_ids: Sequence[str], tx: Transaction) -> None:
        """Have what is open in these presentations looked at, whose groups change in this transaction."""
        for presentation_id in self.store.with_open(presentation_ids, tx):
            self.timers.set(tx, kind=GROUPS_CHANGED, key=presentation_id, due_at=tx.now)

    def regroup(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """Put what is open to those who have the students' groups now, or to support."""
        for timer in timers:
            locked = {request.work_id for request in self.store.open_of_presentation(timer.key, tx)}
            tx.lock(*locked)
            waiting = [each for each in self.store.open_of_presentation(timer.key, tx) if each.work_id in locked]
            for request in waiting:
                tutor_ref = self.catalogue.tutor_of(tx.connection, timer.key, request.person_ref)
                if tutor_ref != request.tutor_ref:
                    self._move(request, tutor_ref, tx)

    def _own_assignment(self, assignment_id: str, person_ref: str, connection: sa.Connection) -> Assignment:
        assignment = self.catalogue.assignment(connection, assignment_id)
        known = assignment and self.catalogue.is_enrolled(connection, assignment.presentation_id, person_ref)
        if assignment is None or not known or erased_among([person_ref], connection):
            raise NotFound("There is no such assignment among your modules.")
        return assignment

    def _why_not(self, assignment: Assignment, cut_off: CutOff) -> str | None:
        """Why more time cannot be asked for now, in words; None when it can."""
        try:
            check_may_ask(assignment, cut_off, self.rules, now=self.database.clock.now())
        except CannotAsk as error:
            return error.detail
        return None

    def _locked(self, request_id: str, caller: Principal, tx: Transaction) -> Request:
        request = self.store.of_id(request_id, tx)
        if request is not None:
            tx.lock(request.work_id)
            request = self.store.of_id(request_id, tx)
        if request is None or not is_partys(request, caller):
            raise NotFound("There is no such request of yours.")
        return request

    def _check(self, after: Request, answer: Answer, tx: Transaction) -> None:
        assignment = self.catalogue.assignment(tx.connection, after.assignment_id)
        if assignment is None:
            raise NotFound("This assignment is not there any more.")
        deadline = self.deadlines.of(tx.connection, assignment, after.work_id)
        check_day(answer.day, assignment, deadline.cut_off, self.rules, now=tx.now)

    def _of(self, timers: Sequence[Timer], tx: Transaction) -> list[Request]:
        """The requests that are still open, each locked."""
        found = [request for timer in timers if (request := self.store.of_id(timer.key, tx)) is not None]
        tx.lock(*(request.work_id for request in found))
        again = (self.store.of_id(request.request_id, tx) for request in found)
        return [request for request in again if request is not None and request.state.is_open]

    def _wait(self, request: Request, tx: Transaction) -> None:
        remind_at = self.rules.remind_at(request.turn, tx.now)
        set_ = [Timer(kind=ANSWER_DUE, key=request.request_id, due_at=request.answer_by, payload={})]
        if tx.now < remind_at < request.answer_by:
            set_.append(Timer(kind=REMINDER_DUE, key=request.request_id, due_at=remind_at, payload={}))
        self.timers.set_all(tx, set_)

    def _end(self, request: Request, tx: Transaction) -> None:
        """Forget what would happen by itself, and have the work ruled on as things are now."""
        for kind in (ANSWER_DUE, REMINDER_DUE):
            self.timers.cancel(tx, kind=kind, key=request.request_id)
        revision = next(self.revisions.reserve_revisions(1, tx))
        reason = CorrectionReason.NO_MORE_TIME
        if request.state is State.AGREED:
            reason = CorrectionReason.MORE_TIME
            self._change_cut_off(request, revision, tx)
        payload = {"reason": str(reason), "revision": revision}
        self.timers.set(tx, kind=RULE_WORK_AGAIN, key=request.work_id, due_at=tx.now, payload=payload)

    def _change_cut_off(self, request: Request, revision: int, tx: Transaction) -> None:
        fact = CutOffChanged(
            work_id=request.work_id,
            request_id=request.request_id,
            assignment_id=request.assignment_id,
            presentation_id=request.presentation_id,
            person_ref=request.person_ref,
            revision=revision,
            cut_off_at=request.cut_off_at,
            grace_ends_at=next_midnight(request.cut_off_at),
            changed_at=tx.now,
        )
        self.own_cut_offs.add(fact, tx)
        tx.publish(fact)

    def _lapse(self, request: Request, tx: Transaction) -> None:
        after = lapsed(request, now=tx.now)
        self._step(after, "lapse", None, None, "", tx)
        self._end(after, tx)
        tx.publish(RequestLapsed(**_of(after), lapsed_at=tx.now))

    def _escalate(self, request: Request, tx: Transaction) -> Request:
        after = escalated(request, self.rules, now=tx.now)
        self._step(after, "escalate", None, None, "", tx)
        self._wait(after, tx)
        tx.publish(RequestEscalated(**_of(after), escalated_at=tx.now))
        return after

    def _remind_support(self, request: Request, tx: Transaction) -> None:
        """Nobody but the university's own people can end it, so they are reminded until they do."""
        after = escalated(request, self.rules, now=tx.now)
        self.store.save(after, tx)
        self._wait(after, tx)
        tx.publish(_reminder(after, tx))

    def _move(self, request: Request, tutor_ref: str | None, tx: Transaction) -> None:
        after = moved(request, tutor_ref, now=tx.now)
        self._step(after, "move", None, None, "", tx)
        tx.publish(RequestMoved(**_of(after), from_tutor_ref=request.tutor_ref, moved_at=tx.now))
        if tutor_ref is None and after.turn is Party.TUTOR and not after.is_escalated:
            self._escalate(after, tx)

    def _step(
        self, request: Request, said: str, by: Party | None, by_ref: str | None, words: str, tx: Transaction
    ) -> None:
        proposes = said in {"propose", str(Move.COUNTER)}
        self.store.save(request, tx)
        self.store.add_word(
            Word(
                request_id=request.request_id,
                revision=request.revision,
                said=said,
                by=by,
                by_ref=by_ref,
                cut_off_at=request.cut_off_at if proposes else None,
                words=words,
                said_at=tx.now,
            ),
            tx,
        )


def _same(known: Request, wanted: datetime, asked: Asked) -> Request:
    """The open request when it asks for just this; raises `RequestOpen`."""
    if known.state is State.PROPOSED and (known.cut_off_at, known.reason) == (wanted, asked.reason):
        return known
    raise RequestOpen(
        "You have an open request for more time for this assignment. Answer or withdraw that one.",
        request_id=known.request_id,
    )


def _of(request: Request) -> dict[str, Any]:
    """What every fact says of it."""
    return {
        "work_id": request.work_id,
        "request_id": request.request_id,
        "kind": request.kind,
        "revision": request.revision,
        "assignment_id": request.assignment_id,
        "presentation_id": request.presentation_id,
        "person_ref": request.person_ref,
        "tutor_ref": request.tutor_ref,
    }


def _said(request: Request, party: Party, tx: Transaction) -> Fact:
    said = _of(request)
    if request.state is State.AGREED:
        return RequestAgreed(**said, by=party, cut_off_at=request.cut_off_at, agreed_at=tx.now)
    if request.state is State.DECLINED:
        return RequestDeclined(**said, by=party, declined_at=tx.now)
    if request.state is State.WITHDRAWN:
        return RequestWithdrawn(**said, withdrawn_at=tx.now)
    return RequestCountered(
        **said, by=party, cut_off_at=request.cut_off_at, answer_by=request.answer_by, countered_at=tx.now
    )


def _reminder(request: Request, tx: Transaction) -> RequestReminded:
    party = Party.SUPPORT if request.turn is Party.TUTOR and request.is_escalated else request.turn
    return RequestReminded(**_of(request), party=party, answer_by=request.answer_by, reminded_at=tx.now)
