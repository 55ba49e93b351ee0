"""When a session is over: signed out, too old, or nobody has used it for too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is known when a session was last used."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session as kept. It ends at `expires_at` whatever happens, and when it was not used for `idle`."""

    session_id: str
    person_ref: str
    role: str
    created_at: datetime
    expires_at: datetime
    seen_at: datetime
    idle: timedelta
    ended_at: datetime | None = None
    provider_token: str | None = None
    """What ends the sign-in at the university's provider, for a session that came from there; gone with its end."""

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be used."""
        return self.ended_at is None and now < self.expires_at and now < self.seen_at + self.idle

    def is_news(self, now: datetime) -> bool:
        """Whether its use at this moment is worth a note."""
        return now >= self.seen_at + SEEN_EVERY
