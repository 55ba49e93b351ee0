"""Whether a session is open, asked of identity: for the web processes of the other services."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from pydantic import BaseModel, TypeAdapter

from shared.errors import EtmaError, Unavailable
from shared.web.remote_service import RemoteService

BELIEVED_SECONDS = 300.0
"""How long after the last answer a session still counts as open while identity is away."""

ASK_SECONDS = 2.0
PAUSE_SECONDS = 2.0
"""How long nobody asks again after identity did not answer; then one does, and the others wait for no answer."""


class SessionState(BaseModel):
    """Identity's answer: whether the session is open, that is not signed out, its role not withdrawn."""

    open: bool


STATE = TypeAdapter(SessionState)


class RemoteSessions:
    """Asks identity, and spares those who wait while it is away."""

    def __init__(self, identity: RemoteService, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self.monotonic = monotonic
        self._ask_again_at = -math.inf
        self._is_away = False
        self._lock = threading.Lock()

    def is_open(self, session_id: str) -> bool:
        """Raises `Unavailable`, at once when identity did not answer a moment ago."""
        if not self._may_ask():
            raise _unknown()
        try:
            is_open = self.identity.read(self._answer(session_id), STATE).open
        except EtmaError as error:
            self._answers(well=False)
            raise _unknown() from error
        self._answers(well=True)
        return is_open

    def _answer(self, session_id: str) -> bytes:
        return self.identity.get(f"/internal/v1/sessions/{session_id}", seconds=ASK_SECONDS)

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


def _unknown() -> Unavailable:
    return Unavailable("Who is signed in cannot be found out at the moment.")
