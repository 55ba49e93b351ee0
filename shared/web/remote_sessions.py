"""Sessions and the keys of their tokens, asked of identity: for the web processes of the other services."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, TypeAdapter

from shared.errors import EtmaError, Unavailable
from shared.web.remote_service import RemoteService

T = TypeVar("T")

ASK_SECONDS = 2.0
PAUSE_SECONDS = 2.0
"""How long nobody asks again after identity did not answer; then one does, and the others wait for no answer."""

LOOK_AGAIN_SECONDS = 10.0
"""How often at most identity is asked for its keys anew: anybody may send a token that no key fits."""

RENEWAL_ADDRESS = "/internal/v1/sessions/{session_id}/renewal"
KEYS_ADDRESS = "/.well-known/session-keys.json"


class Renewed(BaseModel):
    """Identity's answer: a new token, or null when the session is over."""

    token: str | None


class Nothing(BaseModel):
    """A command that needs no words."""


class PublicKeys(BaseModel):
    """A JSON Web Key Set."""

    keys: list[dict[str, Any]]


RENEWED = TypeAdapter(Renewed)
PUBLIC_KEYS = TypeAdapter(PublicKeys)


class RemoteSessions:
    """Asks identity, and spares those who wait while it is away."""

    def __init__(self, identity: RemoteService, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self.monotonic = monotonic
        self._ask_again_at = -math.inf
        self._is_away = False
        self._lock = threading.Lock()

    def renew(self, session_id: str) -> str | None:
        """A new token, None when the session is over. Raises `Unavailable`, at once when identity was just away."""
        return self._ask(lambda: self.identity.read(self._renewal_of(session_id), RENEWED).token)

    def public_keys(self) -> KeySet:
        """Raises `Unavailable`, as `renew` does."""
        return self._ask(lambda: KeySet.import_key_set({"keys": self.identity.read(self._keys(), PUBLIC_KEYS).keys}))

    def _renewal_of(self, session_id: str) -> bytes:
        return self.identity.post(RENEWAL_ADDRESS.format(session_id=session_id), Nothing(), seconds=ASK_SECONDS)

    def _keys(self) -> bytes:
        return self.identity.get(KEYS_ADDRESS, seconds=ASK_SECONDS)

    def _ask(self, question: Callable[[], T]) -> T:
        if not self._may_ask():
            raise _unknown()
        try:
            answer = question()
        except (EtmaError, JoseError) as error:
            self._answers(well=False)
            raise _unknown() from error
        self._answers(well=True)
        return answer

    def _may_ask(self) -> bool:
        with self._lock:
            now = self.monotonic()
            if now < self._ask_again_at:
                return False
            if self._is_away:
                self._ask_again_at = now + PAUSE_SECONDS
            return True

    def _answers(self, *, well: bool) -> None:
        with self._lock:
            self._is_away = not well
            self._ask_again_at = -math.inf if well else self.monotonic() + PAUSE_SECONDS


class RemoteKeys:
    """Identity's public keys (`shared.web.tokens.SessionKeys`): fetched when first needed, kept while identity is away.

    A set that lacks a key is fetched anew, so identity may change its key at any time.
    """

    def __init__(self, sessions: RemoteSessions) -> None:
        self.sessions = sessions
        self._known: KeySet | None = None
        self._looked_at = -math.inf
        self._lock = threading.Lock()

    def known(self) -> KeySet:
        with self._lock:
            if self._known is None:
                self._known = self.sessions.public_keys()
            return self._known

    def look_again(self) -> bool:
        with self._lock:
            now = self.sessions.monotonic()
            if now < self._looked_at + LOOK_AGAIN_SECONDS:
                return False
            self._looked_at = now
            try:
                self._known = self.sessions.public_keys()
            except Unavailable:
                return False
            return True


def _unknown() -> Unavailable:
    return Unavailable("Who is signed in cannot be found out at the moment.")
