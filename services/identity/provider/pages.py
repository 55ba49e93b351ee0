"""The way to the university's provider and back."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.identity.provider.domain import SignInFailed
from services.identity.provider.handlers import ProviderSignIn
from services.identity.provider.journey import LIFE, Arrival, Journey, Seal, new_journey
from services.identity.provider.oidc import Provider
from services.identity.sessions.pages import local_path
from shared.web.pages import Pages
from shared.web.sessions import browser_session_of, check_origin, cookie_of

CARRIED = "etma_sign_in"
"""The cookie of a sign-in under way."""

Text = Annotated[str, Query(max_length=4000)]


class ProviderPages:
    """What the routes share."""

    def __init__(self, *, provider: Provider, sign_in: ProviderSignIn, seal: Seal, pages: Pages) -> None:
        self.provider = provider
        self.sign_in = sign_in
        self.seal = seal
        self.pages = pages

    def leave(self, request: Request, wanted: str) -> Response:
        """To the provider."""
        journey = new_journey(local_path(wanted))
        answer = RedirectResponse(self.provider.address_for(journey), status_code=303)
        self._carry(request, answer, journey)
        return answer

    def come_back(self, request: Request, *, code: str, state: str, error: str) -> Response:
        """From the provider: signed in, or to the choice of a role."""
        journey = self.seal.journey(request.cookies.get(CARRIED, ""))
        if not hmac.compare_digest(journey.state.encode(), state.encode()):
            raise SignInFailed("This answer belongs to another sign-in. Please begin again.")
        if error or not code:
            raise SignInFailed("The university's sign-in did not let you in. Please begin again.")
        vouched = self.provider.vouched(code, journey)
        number, roles = self.sign_in.recognise(vouched.claims)
        arrival = Arrival(number=number, provider_token=vouched.token, next=journey.next)
        if len(roles) == 1:
            return self.enter(request, arrival, roles[0])
        answer = self.pages.render(request, "identity/choose_role.html", roles=roles)
        self._carry(request, answer, arrival)
        return answer

    def enter(self, request: Request, arrival: Arrival, role: str) -> Response:
        """Signed in, and on to where the person wanted to go."""
        replaces = browser_session_of(request)
        token = self.sign_in.sign_in(arrival.number, role, replaces=replaces, provider_token=arrival.provider_token)
        answer = RedirectResponse(arrival.next, status_code=303)
        answer.headers.append("set-cookie", cookie_of(token, secure=request.app.state.secure))
        answer.delete_cookie(CARRIED)
        return answer

    def _carry(self, request: Request, answer: Response, what: Journey | Arrival) -> None:
        answer.set_cookie(
            CARRIED,
            self.seal.close(what),
            max_age=int(LIFE.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=request.app.state.secure,
        )


def routes(parts: ProviderPages) -> APIRouter:
    """`/sign-in/university`, `/sign-in/return` and `/sign-in/role`."""
    router = APIRouter(prefix="/sign-in", include_in_schema=False)

    @router.get("/university")
    def leave(request: Request, next: Text = "/") -> Response:  # noqa: A002 - the address's own word
        return parts.leave(request, next)

    @router.get("/return")
    def come_back(request: Request, code: Text = "", state: Text = "", error: Text = "") -> Response:
        return parts.come_back(request, code=code, state=state, error=error)

    @router.post("/role")
    def choose(request: Request, role: Annotated[str, Form(max_length=40)]) -> Response:
        check_origin(request)
        return parts.enter(request, parts.seal.arrival(request.cookies.get(CARRIED, "")), role)

    return router
