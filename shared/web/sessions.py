"""Who asks: the session check that every route but the public ones depends on. Deny by default."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from fastapi import Request

from shared.errors import Forbidden, Unauthenticated, Unavailable
from shared.web.tokens import SERVICE_ROLE, Principal, Tokens

COOKIE = "etma_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Revocations(Protocol):
    """Knows which sessions are over before their token is: by signing out, or with a role that was withdrawn.

    Asked on every request, so it is quick; what it says may be a few seconds old. A session that it does not know is
    over. Raises `Unavailable`.
    """

    def is_revoked(self, session_id: str) -> bool: ...


class SignInFirst(Unauthenticated):
    """Nobody is signed in, and a page was asked for: the answer leads to the sign-in."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.location = f"/sign-in?next={quote(path, safe='')}" if request.method in SAFE_METHODS else "/sign-in"


class WrongForm(Forbidden):
    """The form did not come from a page of ours, or the page was too old."""

    code = "form_expired"
    title = "This page has expired. Go back, reload it and send the form again"


def principal_of(request: Request) -> Principal | None:
    """Who asks, or None; raises `Unauthenticated` for a token that is not valid any more, and `Unavailable`.

    Found out once a request. Once it has failed it is nobody, so that the page that tells of the failure can be made.
    """
    if not hasattr(request.state, "principal"):
        request.state.principal = None
        request.state.principal = _find_principal(request)
    principal: Principal | None = request.state.principal
    return principal


def _find_principal(request: Request) -> Principal | None:
    principal = _token_holder(request)
    if principal is None:
        return None
    if principal.role == SERVICE_ROLE:
        return principal if principal.bearer else None
    revocations: Revocations = request.app.state.revocations
    if revocations.is_revoked(principal.session_id):
        raise Unauthenticated("The sign-in has ended. Please sign in again.")
    return principal


def _token_holder(request: Request) -> Principal | None:
    tokens: Tokens = request.app.state.tokens
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return tokens.verify(credentials, bearer=True)
    cookie = request.cookies.get(COOKIE)
    return tokens.verify(cookie, bearer=False) if cookie else None


def quiet_principal_of(request: Request) -> Principal | None:
    """Like `principal_of`, but who cannot be made out is nobody: for pages that everybody may see."""
    try:
        return principal_of(request)
    except (Unauthenticated, Unavailable):
        return None


def require(*roles: str) -> Callable[[Request], Principal]:
    """A dependency that lets only these roles pass."""

    def check(request: Request) -> Principal:
        wants_page = not request.url.path.startswith(("/api/", "/internal/"))
        try:
            principal = principal_of(request)
        except Unauthenticated:
            if not wants_page:
                raise
            principal = None
        if principal is None:
            raise SignInFirst(request) if wants_page else Unauthenticated("Please send a token or sign in.")
        if principal.role not in roles:
            raise Forbidden(f"This is for {' and '.join(roles)} only.")
        return principal

    return check


def form_token(principal: Principal, secret: bytes) -> str:
    """What a form carries to show that it came from a page of this session."""
    return hmac.new(secret, principal.session_id.encode(), hashlib.sha256).hexdigest()


def check_form(request: Request, principal: Principal, token: str | None) -> None:
    """Raises `WrongForm` unless the form came from a page of this session. A bearer token needs no form."""
    if principal.bearer:
        return
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
    expected = form_token(principal, request.app.state.form_secret)
    if foreign or not hmac.compare_digest(expected.encode(), (token or "").encode(errors="replace")):
        raise WrongForm
