"""Who asks: makes of a cookie or a bearer token somebody who is signed in now."""

from __future__ import annotations

from dataclasses import dataclass

from shared.web.known_sessions import KnownSessions
from shared.web.tokens import Principal, ServiceTokens, SessionTokens, is_of_service


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who is signed in now, and the token that their cookie is to hold from now on, if another."""

    principal: Principal
    renewed: str | None = None


class Callers:
    """Reads what a request presents. Raises `Unauthenticated` for what is not valid any more, and `Unavailable`."""

    def __init__(self, *, sessions: SessionTokens, services: ServiceTokens, known: KnownSessions) -> None:
        self.sessions = sessions
        self.services = services
        self.known = known

    def by_bearer(self, token: str) -> Caller:
        """Who an Authorization header speaks for; a process is one only here, never by a cookie."""
        if is_of_service(token):
            return Caller(principal=self.services.read(token))
        presented = self.sessions.read(token, bearer=True)
        self.known.check(presented)
        return Caller(principal=presented.principal)

    def by_cookie(self, token: str) -> Caller:
        presented = self.sessions.read(token, bearer=False)
        renewed = self.known.check(presented)
        if renewed is None:
            return Caller(principal=presented.principal)
        return Caller(principal=self.sessions.read(renewed, bearer=False).principal, renewed=renewed)
