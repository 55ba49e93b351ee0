"""What a browser carries on its way to the provider and back: sealed, so that it comes back as it was, and in time."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from joserfc import jws
from joserfc.jwk import OctKey

from services.identity.provider.domain import SignInFailed
from shared.clock import Clock
from shared.signatures import NotSigned, read_signed

ALGORITHM = "HS256"
TYPE = "etma-sign-in+jws"
LIFE = timedelta(minutes=10)
"""How long somebody may take to type a password."""

_BEGIN_AGAIN = "The sign-in took too long, or was begun in another window. Please begin again."


@dataclass(frozen=True, kw_only=True)
class Journey:
    """One sign-in under way: what the provider has to send back, and where the person wants to go."""

    state: str
    nonce: str
    verifier: str
    next: str


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Who came back, and has to choose a role yet."""

    number: str
    provider_token: str
    next: str


def new_journey(wanted: str) -> Journey:
    """One that nobody can guess."""
    return Journey(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(64),
        next=wanted,
    )


class Seal:
    """Seals with a secret of the system; a journey is never taken for an arrival."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._key = OctKey.import_key(secret)
        self._clock = clock

    def close(self, carried: Journey | Arrival) -> str:
        """The text to carry, for ten minutes."""
        ends = (self._clock.now() + LIFE).timestamp()
        payload = {"what": type(carried).__name__, "exp": ends, **asdict(carried)}
        return jws.serialize_compact({"alg": ALGORITHM, "typ": TYPE}, json.dumps(payload), self._key, [ALGORITHM])

    def journey(self, text: str) -> Journey:
        """Raises `SignInFailed` for what is none, or too old."""
        return Journey(**self._open(text, Journey))

    def arrival(self, text: str) -> Arrival:
        """Raises `SignInFailed` for what is none, or too old."""
        return Arrival(**self._open(text, Arrival))

    def _open(self, text: str, kind: type[Journey | Arrival]) -> dict[str, Any]:
        try:
            found = read_signed(text, self._key, algorithms=[ALGORITHM])
        except NotSigned as error:
            raise SignInFailed(_BEGIN_AGAIN) from error
        carried: dict[str, Any] = found.payload
        if carried.pop("what", None) != kind.__name__ or carried.pop("exp") <= self._clock.now().timestamp():
            raise SignInFailed(_BEGIN_AGAIN)
        return carried
