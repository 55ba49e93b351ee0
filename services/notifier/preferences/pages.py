"""The page `/preferences`: how the signed-in person is told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.notifier.obligations.wording import KINDS
from services.notifier.preferences.domain import Way, told_at_once
from services.notifier.preferences.handlers import Choosing
from shared.errors import Rejected
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form
from shared.web.tokens import Principal

Field = Annotated[str, Form(max_length=200)]


class NothingChosen(Rejected):
    """The form came without one of the ways that there are."""

    code = "nothing_chosen"
    title = "Choose how you want to be told"


class PreferencePages:
    """What the routes share; `hour` is when the daily mail goes out, in UK time."""

    def __init__(self, choosing: Choosing, pages: Pages, *, hour: int) -> None:
        self.choosing = choosing
        self.pages = pages
        self.hour = hour

    def show(self, request: Request, person: Principal, *, saved: bool, problem: Rejected | None = None) -> Response:
        """The form, with what holds already marked unless nothing was chosen."""
        return self.pages.render(
            request,
            "notifier/preferences.html",
            status_code=problem.status if problem else 200,
            way=None if problem else self.choosing.preference_of(person.person_ref).way,
            always=[KINDS[purpose] for purpose in told_at_once(person.role)],
            hour=f"{self.hour:02d}:00",
            saved=saved,
            problem=problem.detail if problem else None,
        )


def routes(parts: PreferencePages) -> APIRouter:
    """The page and its form."""
    router = APIRouter(prefix="/preferences", include_in_schema=False)

    @router.get("")
    def show(request: Request, person: SignedIn, saved: Annotated[str, Query(max_length=10)] = "") -> Response:
        return parts.show(request, person, saved=bool(saved))

    @router.post("")
    def choose(request: Request, person: SignedIn, way: Field = "", csrf_token: Field = "") -> Response:
        check_form(request, person, csrf_token)
        if way not in set(Way):
            return parts.show(request, person, saved=False, problem=NothingChosen())
        correlation_id = request.state.correlation_id
        parts.choosing.choose(person.person_ref, Way(way), actor=person.actor, correlation_id=correlation_id)
        return RedirectResponse("/preferences?saved=yes", status_code=303)

    return router
