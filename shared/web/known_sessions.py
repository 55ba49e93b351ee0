"""Decides whether a session is still open: by its token, by what identity said lately, or by asking identity."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.clock import Clock
from shared.errors import Unauthenticated, Unavailable
from shared.web.tokens import Presented

REMEMBERED = 10_000

Renew = Callable[[str], str | None]
"""Asks identity for a new token of a session; None when the session is over. Raises `Unavailable`."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How old, in seconds, the news may be that a session is open."""

    of_token: float
    """As the token itself says it, before identity is asked."""
    of_answer: float
    """As identity answered to this process, before it is asked again."""
    without_identity: float
    """By either, while identity cannot be asked: so long may a sign-out go unnoticed, and no longer."""


HERE: Final = Patience(of_token=0, of_answer=2, without_identity=0)
"""In identity's own process, which has only to look into its database."""

BELIEVED_SECONDS: Final = 300


def elsewhere(fresh_seconds: float) -> Patience:
    """In the processes that ask over the network."""
    return Patience(of_token=fresh_seconds, of_answer=fresh_seconds, without_identity=BELIEVED_SECONDS)


RENEWED_SECONDS = 60
"""A cookie gets a new token when its own is older, so that other processes need not ask."""


class KnownSessions:
    """See the module. A session that was over is over for good; one that identity does not know is over."""

    def __init__(
        self, renew: Renew, clock: Clock, patience: Patience, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.renew = renew
        self.clock = clock
        self.patience = patience
        self.monotonic = monotonic
        self._open, self._over = _Recent(), _Recent()

    def check(self, presented: Presented) -> str | None:
        """A new token for a cookie that is due for one; raises `Unauthenticated` when it is over, and `Unavailable`."""
        session_id = presented.principal.session_id
        if self._over.noted(session_id) > -math.inf:
            raise _ended()
        now = self.monotonic()
        of_token = (self.clock.now() - presented.confirmed_at).total_seconds()
        of_answer = now - self._open.noted(session_id)
        if of_token < self.patience.of_token or of_answer < self.patience.of_answer:
            return None
        try:
            token = self.renew(session_id)
        except Unavailable:
            if min(of_token, of_answer) < self.patience.without_identity:
                return None
            raise
        (self._open if token else self._over).note(session_id, now)
        if token is None:
            raise _ended()
        return token if of_token >= RENEWED_SECONDS else None

    def forget_open(self) -> None:
        """Ask anew about every session that was open: something has changed."""
        self._open.clear()


class _Recent:
    """When sessions were noted; knows the ten thousand that were noted last. For many threads."""

    def __init__(self) -> None:
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def noted(self, session_id: str) -> float:
        """The moment; minus infinity for an unknown one."""
        return self._noted.get(session_id, -math.inf)

    def note(self, session_id: str, moment: float) -> None:
        with self._lock:
            self._noted.pop(session_id, None)
            self._noted[session_id] = moment
            if len(self._noted) > REMEMBERED:
                del self._noted[next(iter(self._noted))]

    def clear(self) -> None:
        with self._lock:
            self._noted.clear()


def _ended() -> Unauthenticated:
    return Unauthenticated("The sign-in has ended. Please sign in again.")
