"""Callers for a web application that is tested without identity: whoever has a token of these keys is signed in."""

from __future__ import annotations

from datetime import timedelta

from joserfc.jwk import OKPKey

from shared.clock import SystemClock
from shared.web.callers import Callers
from shared.web.known_sessions import HERE, KnownSessions
from shared.web.tokens import Principal, ServiceTokens, SessionSigner, SessionTokens

CLOCK = SystemClock()
SERVICE_KEY = OKPKey.generate_key("Ed25519", auto_kid=True)
SERVICES = ServiceTokens(SERVICE_KEY, CLOCK)
SIGNER = SessionSigner(OKPKey.generate_key("Ed25519", auto_kid=True), CLOCK)


def session_token(role: str, *, lifetime: timedelta = timedelta(minutes=1)) -> str:
    """The token of somebody in this role."""
    now = CLOCK.now()
    return SIGNER.issue(Principal(person_ref="p", role=role, session_id="s"), confirmed_at=now, ends_at=now + lifetime)


def callers_of_anybody() -> Callers:
    """No session is ever over."""
    known = KnownSessions(lambda _session_id: session_token("student"), CLOCK, HERE)
    return Callers(sessions=SessionTokens(SIGNER, CLOCK), services=SERVICES, known=known)
