"""Signed tokens that say who somebody is: of persons, whom identity vouches for, and of the system's own processes.

Only identity holds the key that signs for persons; the others check with its public keys. The key of services is shared
by all processes, and no person is ever taken for one: each kind of token is held against its own keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from joserfc import jws
from joserfc.jwk import KeySet, OKPKey

from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.signatures import NotSigned, Signed, key_id_of, read_signed, type_of
from shared.web.rights import Role

ALGORITHM = "Ed25519"
SESSION_TYPE = "etma-session+jws"
SERVICE_TYPE = "etma-service+jws"

SERVICE_LIFE = timedelta(minutes=1)
"""A process has no session that could end, so what it bears does not live for long."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Somebody who is signed in, in one role; `bearer` when a program speaks for them."""

    person_ref: str
    role: str
    session_id: str
    scopes: tuple[str, ...] = ()
    bearer: bool = False

    @property
    def actor(self) -> str:
        """Who acts, as facts name it."""
        return f"{self.role}:{self.person_ref}"


@dataclass(frozen=True, kw_only=True)
class Presented:
    """What a session's token says; `confirmed_at` is when identity last knew that the session is open."""

    principal: Principal
    confirmed_at: datetime
    ends_at: datetime


class SessionKeys(Protocol):
    """Identity's public keys."""

    def known(self) -> KeySet:
        """Raises `Unavailable` while there are none."""
        ...

    def look_again(self) -> bool:
        """Whether there are others than before; asks no more often than is good."""
        ...


class SessionSigner:
    """Identity's own: signs for persons; its public half is a set of one key."""

    def __init__(self, key: OKPKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def issue(self, principal: Principal, *, confirmed_at: datetime, ends_at: datetime) -> str:
        """A token for the principal; whatever happens it ends at `ends_at`."""
        claims = {
            "sub": principal.person_ref,
            "role": principal.role,
            "scopes": principal.scopes,
            "jti": principal.session_id,
            "iat": confirmed_at.timestamp(),
            "exp": ends_at.timestamp(),
        }
        return _signed(claims, SESSION_TYPE, self._key)

    def public_jwks(self) -> list[dict[str, Any]]:
        """The public half, as JSON Web Keys."""
        return [{**self._key.as_dict(private=False), "kid": key_id_of(self._key), "use": "sig"}]

    def known(self) -> KeySet:
        return KeySet.import_key_set({"keys": self.public_jwks()})

    def look_again(self) -> bool:
        return False


class SessionTokens:
    """Reads tokens of persons."""

    def __init__(self, keys: SessionKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def read(self, token: str, *, bearer: bool) -> Presented:
        """Who the token speaks for; raises `Unauthenticated` for a bad one or one that has ended."""
        claims = _claims(self._read_signed(token), SESSION_TYPE, self._clock)
        if claims["role"] == Role.SERVICE:
            raise _not_valid()
        principal = Principal(
            person_ref=claims["sub"],
            role=claims["role"],
            session_id=claims["jti"],
            scopes=tuple(claims["scopes"]),
            bearer=bearer,
        )
        return Presented(principal=principal, confirmed_at=_moment(claims["iat"]), ends_at=_moment(claims["exp"]))

    def _read_signed(self, token: str) -> Signed:
        """Look for other keys when none of those known fits: they may have been changed."""
        try:
            return read_signed(token, self._keys.known(), algorithms=[ALGORITHM])
        except NotSigned as error:
            if not self._keys.look_again():
                raise _not_valid() from error
        try:
            return read_signed(token, self._keys.known(), algorithms=[ALGORITHM])
        except NotSigned as error:
            raise _not_valid() from error


class ServiceTokens:
    """Signs and reads tokens of the system's own processes."""

    def __init__(self, key: OKPKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def issue(self, name: str) -> str:
        """A token for the process of that name, for a minute."""
        now = self._clock.now()
        claims = {"sub": name, "exp": (now + SERVICE_LIFE).timestamp()}
        return _signed(claims, SERVICE_TYPE, self._key)

    def read(self, token: str) -> Principal:
        """Raises `Unauthenticated` for a bad one or one that has ended."""
        try:
            found = read_signed(token, self._key, algorithms=[ALGORITHM])
        except NotSigned as error:
            raise _not_valid() from error
        name = _claims(found, SERVICE_TYPE, self._clock)["sub"]
        return Principal(person_ref=name, role=Role.SERVICE, session_id=name, bearer=True)


def is_of_service(token: str) -> bool:
    """Whether a token says that it is a process's; it has to be read to know."""
    return type_of(token) == SERVICE_TYPE


def _signed(claims: Mapping[str, object], kind: str, key: OKPKey) -> str:
    header = {"alg": ALGORITHM, "typ": kind, "kid": key_id_of(key)}
    return jws.serialize_compact(header, json.dumps(claims), key, algorithms=[ALGORITHM])


def _claims(found: Signed, kind: str, clock: Clock) -> Mapping[str, Any]:
    claims: Mapping[str, Any] = found.payload
    if found.typ != kind or claims["exp"] <= clock.now().timestamp():
        raise Unauthenticated("The sign-in has ended. Please sign in again.")
    return claims


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _not_valid() -> Unauthenticated:
    return Unauthenticated("The sign-in is not valid. Please sign in again.")
