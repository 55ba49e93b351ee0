"""Who asks, and whether they may: the guard before every route, by the table of rights. Deny by default."""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import SimpleCookie
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from shared.errors import EtmaError, Forbidden, Unauthenticated, Unavailable
from shared.web.callers import Caller, Callers
from shared.web.rights import PUBLIC, Relation, Rights, Role, Table
from shared.web.tokens import Principal

COOKIE = "etma_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
AT_WORK = frozenset({Role.OPERATIONS, Role.ADMIN, Role.SERVICE})
"""Whom maintenance does not keep out."""


class SignInFirst(Unauthenticated):
    """Nobody is signed in, and a page was asked for: the answer leads to the sign-in."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.location = f"/sign-in?next={quote(path, safe='')}" if request.method in SAFE_METHODS else "/sign-in"


class UnderMaintenance(EtmaError):
    """Nobody is served for a while, on purpose, but those who work on it."""

    code = "maintenance"
    status = 503
    title = "The service is closed for maintenance"


class WrongForm(Forbidden):
    """The form did not come from a page of ours, or the page was too old."""

    code = "form_expired"
    title = "This page has expired"

    def __init__(self) -> None:
        super().__init__("Nothing was done. Go back, reload the page and send the form again.")


def guard(request: Request) -> None:
    """Let pass who may use this route.

    Raises `Unauthenticated`, `Forbidden`, `Unavailable`, and `UnderMaintenance` for who does not work on the service.
    """
    table: Table = request.app.state.rights
    route = f"{request.method} {request.scope['route'].path}"
    if route not in table:
        raise Forbidden("This is for nobody.")
    rights = table[route]
    if rights is not PUBLIC:
        principal = _somebody(request)
        _check_open(request, principal)
        request.state.relation = _relation(principal, rights)


def _check_open(request: Request, principal: Principal) -> None:
    maintenance: str = request.app.state.maintenance
    if maintenance and principal.role not in AT_WORK:
        raise UnderMaintenance(maintenance)


def _relation(principal: Principal, rights: Rights) -> Relation:
    relation = rights.get(principal.role)
    if relation is None:
        roles = " or ".join(role.replace("_", " ") for role in rights)
        raise Forbidden(f"Only the role {roles} may do this. If you have it too, sign out and sign in with it.")
    return relation


def _somebody(request: Request) -> Principal:
    wants_page = not request.url.path.startswith(("/api/", "/internal/"))
    try:
        principal = principal_of(request)
    except Unauthenticated:
        if not wants_page:
            raise
        principal = None
    if principal is None:
        raise SignInFirst(request) if wants_page else Unauthenticated("Please send a token or sign in.")
    return principal


async def _signed_in(request: Request) -> Principal:
    """Whom the guard let pass; there is nobody on a public route."""
    principal: Principal = request.state.principal
    return principal


async def _relation_of(request: Request) -> Relation:
    relation: Relation = request.state.relation
    return relation


SignedIn = Annotated[Principal, Depends(_signed_in)]
"""Of a route that is not public: who asks."""

Reach = Annotated[Relation, Depends(_relation_of)]
"""Of a route that is not public: on whose things the caller may do it."""


def principal_of(request: Request) -> Principal | None:
    """Who asks, or None; raises `Unauthenticated` for a token that is not valid any more, and `Unavailable`.

    Found out once a request. Once it has failed it is nobody, so that the page that tells of the failure can be made.
    """
    if not hasattr(request.state, "principal"):
        request.state.principal = None
        caller = _find_caller(request)
        if caller is not None:
            request.state.principal = caller.principal
            request.state.renewed = caller.renewed
    principal: Principal | None = request.state.principal
    return principal


def _find_caller(request: Request) -> Caller | None:
    callers: Callers = request.app.state.callers
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return callers.by_bearer(credentials)
    cookie = request.cookies.get(COOKIE)
    return callers.by_cookie(cookie) if cookie else None


def quiet_principal_of(request: Request) -> Principal | None:
    """Like `principal_of`, but who cannot be made out is nobody: for pages that everybody may see."""
    try:
        return principal_of(request)
    except (Unauthenticated, Unavailable):
        return None


def browser_session_of(request: Request) -> str | None:
    """The session that the browser is in, which ends when it signs in again; a program's goes on."""
    principal = quiet_principal_of(request)
    return principal.session_id if principal is not None and not principal.bearer else None


def cookie_of(token: str, *, secure: bool) -> str:
    """The header Set-Cookie that keeps a token until the browser is closed; the token itself says when it ends."""
    cookie: SimpleCookie = SimpleCookie()
    cookie[COOKIE] = token
    cookie[COOKIE] |= {"path": "/", "httponly": True, "samesite": "lax", "secure": secure}
    return cookie[COOKIE].OutputString()


def form_token(principal: Principal, secret: bytes) -> str:
    """What a form carries to show that it came from a page of this session."""
    return hmac.new(secret, principal.session_id.encode(), hashlib.sha256).hexdigest()


def check_form(request: Request, principal: Principal, token: str | None) -> None:
    """Raises `WrongForm` unless the form came from a page of this session. A bearer token needs no form."""
    if principal.bearer:
        return
    check_origin(request)
    expected = form_token(principal, request.app.state.form_secret)
    if not hmac.compare_digest(expected.encode(), (token or "").encode(errors="replace")):
        raise WrongForm


def check_origin(request: Request) -> None:
    """Raises `WrongForm` when the browser says that the form is another site's: of who is not signed in yet."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise WrongForm
