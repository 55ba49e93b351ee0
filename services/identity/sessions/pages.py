"""The demo sign-in, on the loopback address only, the sign-out, and where one is signed in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.identity.sessions.handlers import Sessions
from shared.errors import Forbidden, Unavailable
from shared.web.pages import Pages
from shared.web.sessions import (
    COOKIE,
    SignedIn,
    browser_session_of,
    check_form,
    check_origin,
    cookie_of,
    quiet_principal_of,
)

Field = Annotated[str, Form(max_length=2000)]
"""A field of a form; with its limit it is also held to be text that can be kept and sent."""


EndElsewhere = Callable[[str], str | None]
"""Where a sign-in at the provider ends, by the token that came from there; raises `Unavailable`."""


def routes(sessions: Sessions, pages: Pages, *, demo: bool, end_elsewhere: EndElsewhere | None = None) -> APIRouter:
    """`/sign-in`, `/sign-out` and `/sessions`. With `end_elsewhere` people sign in at the university's provider."""
    router = APIRouter(include_in_schema=False)
    _add_signing_in(router, sessions, pages, demo=demo, elsewhere=end_elsewhere is not None)
    _add_signing_out(router, sessions, pages, end_elsewhere or _nowhere)
    return router


def _nowhere(_token: str) -> None:
    """There is no provider."""


def _add_signing_in(router: APIRouter, sessions: Sessions, pages: Pages, *, demo: bool, elsewhere: bool) -> None:

    @router.get("/sign-in")
    def choose(request: Request, q: str = "", next: str = "/") -> Response:  # noqa: A002 - the address's own word
        offered = demo and _is_loopback(request)
        people = sessions.candidates(q) if offered else []
        return pages.render(
            request,
            "identity/sign_in.html",
            offered=offered,
            elsewhere=elsewhere,
            people=people,
            search=q,
            next=local_path(next),
        )

    @router.post("/sign-in")
    def sign_in(
        request: Request,
        identifier: Field,
        role: Field,
        next: Field = "/",  # noqa: A002
    ) -> Response:
        if not (demo and _is_loopback(request)):
            raise Forbidden("The demo sign-in works only on the machine itself, in demo mode.")
        check_origin(request)
        token = sessions.sign_in_here(role=role, identifier=identifier, replaces=browser_session_of(request))
        answer = RedirectResponse(local_path(next), status_code=303)
        answer.headers["set-cookie"] = cookie_of(token, secure=request.app.state.secure)
        return answer


def _add_signing_out(router: APIRouter, sessions: Sessions, pages: Pages, end_elsewhere: EndElsewhere) -> None:
    @router.post("/sign-out")
    def sign_out(request: Request, csrf_token: Annotated[str, Form()] = "") -> Response:
        principal = quiet_principal_of(request)
        if principal is not None:
            check_form(request, principal, csrf_token)
            token = sessions.sign_out(principal.session_id)
            elsewhere = _address(end_elsewhere, token) if token else None
            if elsewhere:
                return _gone(pages.render(request, "identity/signed_out.html", elsewhere=elsewhere))
        return _signed_out()

    @router.get("/sessions")
    def list_sessions(request: Request, person: SignedIn) -> Response:
        return pages.render(request, "identity/sessions.html", sessions=sessions.open_of(person.person_ref))

    @router.post("/sessions/end")
    def end_all(request: Request, person: SignedIn, csrf_token: Annotated[str, Form()] = "") -> Response:
        check_form(request, person, csrf_token)
        sessions.sign_out_everywhere(person.person_ref)
        return _signed_out()


def _address(end_elsewhere: EndElsewhere, token: str) -> str | None:
    try:
        return end_elsewhere(token)
    except Unavailable:
        return None


def _signed_out() -> Response:
    return _gone(RedirectResponse("/sign-in", status_code=303))


def _gone(answer: Response) -> Response:
    answer.delete_cookie(COOKIE)
    return answer


def local_path(wanted: str) -> str:
    """The path when it is one of this site, else the start page."""
    safe = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and "\n" not in wanted and "\r" not in wanted
    return wanted if safe else "/"


def _is_loopback(request: Request) -> bool:
    """Whether it comes from the machine itself, and no proxy on it says that it only passes it on."""
    if request.headers.get("x-forwarded-for") or request.headers.get("forwarded"):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
