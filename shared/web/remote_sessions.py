"""Which sessions are over, asked of identity over HTTP: for the web processes of the other services.

An answer counts for two seconds. While identity is away, a session that was open at the last answer stays so for five
minutes at most; after that, and for one that was never asked about, nobody can be let in (`Unavailable`).
"""

from __future__ import annotations

import time
from datetime import timedelta

import httpx2 as httpx

from shared.errors import Unavailable
from shared.web.tokens import SERVICE_ROLE, Principal, Tokens

FRESH_SECONDS = 2.0
BELIEVED_SECONDS = 300.0
REMEMBERED = 10_000
ASK_SECONDS = 2.0
TOKEN_LIFE = timedelta(minutes=1)


class RemoteSessions:
    """See the module, and `shared.web.sessions.Revocations`."""

    def __init__(self, identity_url: str, tokens: Tokens, *, asks_for: str) -> None:
        self.tokens = tokens
        self.principal = Principal(person_ref=asks_for, role=SERVICE_ROLE, session_id=asks_for)
        self._client = httpx.Client(base_url=identity_url, timeout=ASK_SECONDS, trust_env=False)
        self._seen_open: dict[str, float] = {}
        self._ask_again_at = 0.0

    def is_revoked(self, session_id: str) -> bool:
        age = time.monotonic() - self._seen_open.get(session_id, -BELIEVED_SECONDS)
        if age < FRESH_SECONDS:
            return False
        try:
            is_open = self._ask(session_id)
        except Unavailable:
            if age < BELIEVED_SECONDS:
                return False
            raise
        if is_open:
            self._remember(session_id)
        return not is_open

    def _ask(self, session_id: str) -> bool:
        """Raises `Unavailable`, without asking when identity did not answer a moment ago."""
        if time.monotonic() < self._ask_again_at:
            raise Unavailable("Who is signed in cannot be found out at the moment.")
        try:
            answer = self._client.get(f"/internal/v1/sessions/{session_id}", headers=self._credentials())
            answer.raise_for_status()
        except httpx.HTTPError as error:
            self._ask_again_at = time.monotonic() + FRESH_SECONDS
            raise Unavailable("Who is signed in cannot be found out at the moment.") from error
        return bool(answer.json()["open"])

    def _credentials(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens.issue(self.principal, lifetime=TOKEN_LIFE)}"}

    def _remember(self, session_id: str) -> None:
        if len(self._seen_open) >= REMEMBERED:
            self._seen_open.clear()
        self._seen_open[session_id] = time.monotonic()
