"""Remembers which sessions are open and which are over, for `shared.web.sessions.Revocations`, whoever knows it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from shared.errors import Unavailable

FRESH_SECONDS = 2.0
"""How old it may be that a session was open: as long as it may take until a sign-out is noticed."""

REMEMBERED = 10_000


class KnownSessions:
    """What `is_open` said: a session that was over is over for good, one that was open is asked about again soon.

    While `is_open` cannot answer (`Unavailable`), what was open less than `believed_seconds` ago still is.
    """

    def __init__(
        self,
        is_open: Callable[[str], bool],
        *,
        believed_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_open = is_open
        self.believed_seconds = believed_seconds
        self.monotonic = monotonic
        self._open, self._over = _Recent(), _Recent()

    def is_revoked(self, session_id: str) -> bool:
        if self._over.noted(session_id) > -math.inf:
            return True
        now = self.monotonic()
        age = now - self._open.noted(session_id)
        if age < FRESH_SECONDS:
            return False
        try:
            is_open = self.is_open(session_id)
        except Unavailable:
            if age < self.believed_seconds:
                return False
            raise
        (self._open if is_open else self._over).note(session_id, now)
        return not is_open

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
