"""The pages of requests: the student's form, and one conversation page for both sides and for student support."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.submission.negotiation.domain import Answer, Move, Reason
from services.submission.negotiation.handlers import Asked, Requests
from services.submission.negotiation.views import PAGE
from services.submission.negotiation.words import REASONS, SAID, STATES
from shared.columns import MOST_DIGITS
from shared.errors import NotFound, Rejected
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form
from shared.web.tokens import Principal

Text = Annotated[str, Form()]
Day = Annotated[date | None, Form()]
After = Annotated[int | None, Query(ge=1, lt=10**MOST_DIGITS)]


class RequestPages:
    """What the routes share."""

    def __init__(self, requests: Requests, pages: Pages) -> None:
        self.requests = requests
        self.pages = pages

    def form(
        self, request: Request, assignment_id: str, student: Principal, *, problem: Rejected | None = None, **typed: str
    ) -> Response:
        """The form, with what was typed and what is wrong with it; leads to the open request where there is one."""
        form = self.requests.form(assignment_id, student)
        if form.latest is not None and form.latest.state.is_open:
            return RedirectResponse(f"/requests/{form.latest.request_id}", status_code=303)
        return self.pages.render(
            request,
            "submission/ask.html",
            status_code=problem.status if problem else 200,
            form=form,
            reasons=REASONS,
            problem=problem,
            at=problem.extra.get("field") if problem else None,
            typed=typed,
        )

    def list(self, request: Request, caller: Principal, after: int | None) -> Response:
        """The caller's requests."""
        lines = self.requests.list_of(caller, after=after)
        more = lines[-1].place if len(lines) == PAGE else None
        return self.pages.render(request, "submission/requests.html", requests=lines, more=more, states=STATES)

    def conversation(
        self, request: Request, request_id: str, caller: Principal, *, problem: Rejected | None = None, **typed: str
    ) -> Response:
        """The conversation, and what this side can do now."""
        line, days = self.requests.show(request_id, caller)
        return self.pages.render(
            request,
            "submission/request.html",
            status_code=problem.status if problem else 200,
            line=line,
            days=days,
            states=STATES,
            said=SAID,
            reasons=REASONS,
            problem=problem,
            at=problem.extra.get("field") if problem else None,
            typed=typed,
        )


def routes(parts: RequestPages) -> APIRouter:
    """Asking, and the conversations."""
    router = APIRouter(include_in_schema=False)
    _add_asking(router, parts)
    _add_conversations(router, parts)
    return router


def _add_asking(router: APIRouter, parts: RequestPages) -> None:
    @router.get("/assignments/{assignment_id}/more-time")
    def form(request: Request, assignment_id: str, student: SignedIn) -> Response:
        return parts.form(request, assignment_id, student)

    @router.post("/assignments/{assignment_id}/more-time")
    def ask(
        request: Request,
        assignment_id: str,
        student: SignedIn,
        day: Day = None,
        reason: Annotated[Reason | None, Form()] = None,
        words: Text = "",
        csrf_token: Text = "",
    ) -> Response:
        check_form(request, student, csrf_token)
        asked = Asked(day=day, reason=reason, words=words)
        try:
            made = parts.requests.ask(assignment_id, asked, student, correlation_id=request.state.correlation_id)
        except NotFound:
            raise
        except Rejected as problem:
            typed = {"day": str(day or ""), "reason": str(reason or ""), "words": words}
            return parts.form(request, assignment_id, student, problem=problem, **typed)
        return RedirectResponse(f"/requests/{made.request_id}", status_code=303)


def _add_conversations(router: APIRouter, parts: RequestPages) -> None:
    @router.get("/requests")
    def requests(request: Request, caller: SignedIn, after: After = None) -> Response:
        return parts.list(request, caller, after)

    @router.get("/requests/{request_id}")
    def conversation(request: Request, request_id: str, caller: SignedIn) -> Response:
        return parts.conversation(request, request_id, caller)

    @router.post("/requests/{request_id}")
    def answer(
        request: Request,
        request_id: str,
        caller: SignedIn,
        move: Annotated[Move, Form()],
        revision: Annotated[int, Form(ge=1, le=2**31 - 1)],
        day: Day = None,
        words: Text = "",
        csrf_token: Text = "",
    ) -> Response:
        check_form(request, caller, csrf_token)
        given = Answer(move=move, revision=revision, day=day)
        try:
            parts.requests.answer(request_id, given, words, caller, correlation_id=request.state.correlation_id)
        except NotFound:
            raise
        except Rejected as problem:
            typed = {"move": str(move), "day": str(day or ""), "words": words}
            return parts.conversation(request, request_id, caller, problem=problem, **typed)
        return RedirectResponse(f"/requests/{request_id}", status_code=303)
