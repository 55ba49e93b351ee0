"""Signed tokens that say who somebody is: for the session cookie and for the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from joserfc import jws
from joserfc.jwk import OKPKey

from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.signatures import NotSigned, read_signed

ALGORITHM = "Ed25519"
TYPE = "etma-session+jws"

SERVICE_ROLE = "service"
"""The role of a process that asks another: it has no session that could end, so its tokens live for a minute only."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Somebody who is signed in; `bearer` when a program speaks for them."""

    person_ref: str
    role: str
    session_id: str
    bearer: bool = False


class Tokens:
    """Issues and verifies."""

    def __init__(self, key: OKPKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def issue(self, principal: Principal, *, lifetime: timedelta) -> str:
        """A token for the principal that ends after `lifetime`."""
        now = self._clock.now()
        claims = {
            "sub": principal.person_ref,
            "role": principal.role,
            "jti": principal.session_id,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        header = {"alg": ALGORITHM, "typ": TYPE}
        return jws.serialize_compact(header, json.dumps(claims), self._key, algorithms=[ALGORITHM])

    def verify(self, token: str, *, bearer: bool) -> Principal:
        """Who the token speaks for; raises `Unauthenticated` for a bad one or one that has ended."""
        try:
            found = read_signed(token, self._key, algorithms=[ALGORITHM])
        except NotSigned as error:
            raise Unauthenticated("The sign-in is not valid. Please sign in again.") from error
        claims = found.payload
        if found.typ != TYPE or claims["exp"] <= _seconds(self._clock.now()):
            raise Unauthenticated("The sign-in has ended. Please sign in again.")
        return Principal(person_ref=claims["sub"], role=claims["role"], session_id=claims["jti"], bearer=bearer)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
