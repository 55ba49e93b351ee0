"""Questions about versions that came after collection, for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from services.marking.later_versions.domain import Choice, QuestionState
from services.marking.later_versions.handlers import Answering
from services.marking.later_versions.views import PAGE, QuestionLine, QuestionViews
from shared.contracts import Band
from shared.database import Database
from shared.web.openapi import failures
from shared.web.sessions import SignedIn, check_form

After = Annotated[int, Query(ge=0, le=2**31 - 1)]


class QuestionOut(BaseModel):
    """Which of two versions shall be marked; `student` is null where marking is anonymous.

    `band` tells whether the later version came in time.
    """

    model_config = ConfigDict(from_attributes=True)

    submission_id: str
    work_id: str
    assignment_id: str
    title: str
    student: str | None
    version: int
    arrived_at: datetime
    band: Band
    earlier_version: int
    earlier_collected_at: datetime | None
    state: QuestionState
    closed_at: datetime | None


class QuestionsOut(BaseModel):
    """A page of open questions; `next_after` asks for the next one and is null at the end."""

    questions: list[QuestionOut]
    next_after: int | None


class AnswerIn(BaseModel):
    """The choice, which is final: `take` the later version or `keep` the earlier one."""

    choice: Choice


def routes(answering: Answering, views: QuestionViews, database: Database) -> APIRouter:
    """The JSON routes of a tutor's questions; a question is named by the submission that it is about."""
    router = APIRouter(prefix="/api/v1/later-versions", tags=["marking"])

    @router.get("")
    def open_questions(tutor: SignedIn, after: After = 0) -> QuestionsOut:
        """The questions that wait for the tutor's answer, the oldest first."""
        with database.reading() as connection:
            lines = views.open_of(connection, tutor.person_ref, after=after)
        return QuestionsOut(
            questions=[QuestionOut.model_validate(line) for line in lines], next_after=more_after(lines)
        )

    @router.get("/{submission_id}", responses=failures(404))
    def question(submission_id: str, tutor: SignedIn) -> QuestionOut:
        """One question, open or not."""
        with database.reading() as connection:
            return QuestionOut.model_validate(views.question(connection, submission_id, tutor.person_ref))

    @router.post("/{submission_id}/answer", responses=failures(404, 409))
    def answer(request: Request, submission_id: str, given: AnswerIn, tutor: SignedIn) -> QuestionOut:
        """Answer; the same answer again only answers, 409 after the other one or when a still later version came."""
        check_form(request, tutor, request.headers.get("x-csrf-token"))
        correlation_id = request.state.correlation_id
        answering.answer(submission_id, given.choice, tutor.person_ref, correlation_id=correlation_id)
        return question(submission_id, tutor)

    return router


def more_after(lines: list[QuestionLine]) -> int | None:
    """The place to go on from when there may be more."""
    return lines[-1].position if len(lines) == PAGE else None
