"""The tutor's pages of questions about versions that came after collection."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.marking.later_versions.api import After, more_after
from services.marking.later_versions.domain import Choice
from services.marking.later_versions.handlers import Answering
from services.marking.later_versions.views import QuestionViews
from shared.database import Database
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form


def routes(answering: Answering, views: QuestionViews, database: Database, pages: Pages) -> APIRouter:
    """All that wait, and one."""
    router = APIRouter(prefix="/tutor/later-versions", include_in_schema=False)

    @router.get("")
    def open_questions(request: Request, tutor: SignedIn, after: After = 0) -> Response:
        with database.reading() as connection:
            lines = views.open_of(connection, tutor.person_ref, after=after)
        return pages.render(request, "marking/later_versions.html", questions=lines, more=more_after(lines))

    @router.get("/{submission_id}")
    def question(request: Request, submission_id: str, tutor: SignedIn) -> Response:
        with database.reading() as connection:
            line = views.question(connection, submission_id, tutor.person_ref)
        return pages.render(request, "marking/later_version.html", question=line)

    @router.post("/{submission_id}")
    def answer(
        request: Request,
        submission_id: str,
        tutor: SignedIn,
        choice: Annotated[Choice, Form()],
        csrf_token: Annotated[str, Form()] = "",
    ) -> Response:
        check_form(request, tutor, csrf_token)
        answering.answer(submission_id, choice, tutor.person_ref, correlation_id=request.state.correlation_id)
        return RedirectResponse(f"/tutor/later-versions/{submission_id}", status_code=303)

    return router
