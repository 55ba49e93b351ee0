"""Signing in and out, and tokens for the command line."""

from __future__ import annotations

import uuid
from datetime import timedelta

from services.identity.sessions.store import Candidate, SessionStore
from shared.database import Database
from shared.errors import NotFound
from shared.web.tokens import Principal, Tokens

SESSION_HOURS = 12


class Sessions:
    """The use cases."""

    def __init__(self, *, database: Database, store: SessionStore, tokens: Tokens) -> None:
        self.database = database
        self.store = store
        self.tokens = tokens

    def candidates(self, search: str) -> list[Candidate]:
        with self.database.reading() as connection:
            return self.store.candidates(connection, search)

    def sign_in(self, *, role: str, identifier: str, hours: int = SESSION_HOURS) -> str:
        """A token for who has this PI or staff number and role; raises `NotFound` with words for both mistakes."""
        with self.database.transaction() as tx:
            person_ref = self.store.granted(tx.connection, role=role, identifier=identifier)
            if person_ref is None:
                detail = f"There is nobody with the number {identifier} who is {role}."
                raise NotFound(detail)
            principal = Principal(person_ref=person_ref, role=role, session_id=str(uuid.uuid4()))
            lifetime = timedelta(hours=hours)
            row = {
                "session_id": principal.session_id,
                "person_ref": person_ref,
                "role": role,
                "created_at": tx.now,
                "expires_at": tx.now + lifetime,
            }
            self.store.add(row, tx)
            return self.tokens.issue(principal, lifetime=lifetime)

    def sign_out(self, session_id: str) -> None:
        with self.database.transaction() as tx:
            self.store.end(session_id, tx)
