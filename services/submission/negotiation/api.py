"""Requests for programs, with the rights of the pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from services.submission.negotiation.domain import Answer, Move, Reason, State
from services.submission.negotiation.handlers import Asked, Requests
from services.submission.negotiation.views import PAGE
from shared.columns import MOST_DIGITS
from shared.contracts import Party
from shared.web.openapi import failures
from shared.web.sessions import SignedIn, check_form

After = Annotated[int | None, Query(ge=1, lt=10**MOST_DIGITS)]


class AskIn(BaseModel):
    """What a student asks for: until noon of which UK day, why, and words for the tutor."""

    day: date
    reason: Reason
    words: str = ""


class AnswerIn(BaseModel):
    """What a side does about the terms whose number is `revision`; `day` when it proposes another one."""

    move: Move
    revision: int
    day: date | None = None
    words: str = ""


class WordOut(BaseModel):
    """A step of a conversation; `by` is null when it happened by itself, `erased_at` tells when words were deleted."""

    model_config = ConfigDict(from_attributes=True)

    said: str
    by: Party | None
    name: str | None
    cut_off_at: datetime | None
    words: str
    said_at: datetime
    erased_at: datetime | None


class RequestOut(BaseModel):
    """A request as the caller's side sees it; `moves` is what it may do now, `answer_day` the last day to answer.

    `student` is null while nobody knows the name, or where marking is anonymous; `words` is empty in a list.
    """

    model_config = ConfigDict(from_attributes=True)

    request_id: str
    work_id: str
    assignment_id: str
    title: str
    student: str | None
    reason: Reason
    state: State
    turn: Party
    revision: int
    base_cut_off_at: datetime
    cut_off_at: datetime
    proposed_at: datetime
    changed_at: datetime
    answer_day: date
    is_escalated: bool
    moves: list[Move]
    words: list[WordOut]


class RequestsOut(BaseModel):
    """A page of requests: the open ones first, the latest of each first.

    `next_after` asks for the next page and is null at the end.
    """

    requests: list[RequestOut]
    next_after: int | None


def routes(requests: Requests) -> APIRouter:
    """The JSON routes of requests for more time."""
    router = APIRouter(prefix="/api/v1", tags=["requests"])

    @router.post("/assignments/{assignment_id}/requests", status_code=201, responses=failures(404, 409))
    def ask(request: Request, assignment_id: str, asked: AskIn, student: SignedIn) -> RequestOut:
        """Ask for more time; the same once more, while it waits, is the same request."""
        check_form(request, student, request.headers.get("x-csrf-token"))
        given = Asked(day=asked.day, reason=asked.reason, words=asked.words)
        made = requests.ask(assignment_id, given, student, correlation_id=request.state.correlation_id)
        return RequestOut.model_validate(requests.show(made.request_id, student)[0])

    @router.get("/requests")
    def mine(caller: SignedIn, after: After = None) -> RequestsOut:
        """A student's own requests, those of a tutor's groups, and for support those that wait for an answer."""
        lines = requests.list_of(caller, after=after)
        return RequestsOut(
            requests=[RequestOut.model_validate(line) for line in lines],
            next_after=lines[-1].place if len(lines) == PAGE else None,
        )

    @router.get("/requests/{request_id}", responses=failures(404))
    def one(request_id: str, caller: SignedIn) -> RequestOut:
        """One request with everything that was said."""
        return RequestOut.model_validate(requests.show(request_id, caller)[0])

    @router.post("/requests/{request_id}/answers", responses=failures(404, 409))
    def answer(request: Request, request_id: str, given: AnswerIn, caller: SignedIn) -> RequestOut:
        """Agree, propose another day, decline or withdraw; the same once more changes nothing.

        409 for an answer to terms that are not on the table any more, and for what is not possible now.
        """
        check_form(request, caller, request.headers.get("x-csrf-token"))
        move = Answer(move=given.move, revision=given.revision, day=given.day)
        requests.answer(request_id, move, given.words, caller, correlation_id=request.state.correlation_id)
        return RequestOut.model_validate(requests.show(request_id, caller)[0])

    return router
