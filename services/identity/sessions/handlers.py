"""Signing in and out, and tokens for the command line."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.identity.sessions.store import Candidate, SessionStore
from shared.database import Database, Transaction
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
            return self._begin(role, {identifier: person_ref}, timedelta(hours=hours), tx)[identifier]

    def sign_in_all(self, *, role: str, identifiers: Sequence[str], hours: int = SESSION_HOURS) -> dict[str, str]:
        """A token for each of them who has the role; the others are left out."""
        with self.database.transaction() as tx:
            granted = self.store.granted_all(tx.connection, role=role, identifiers=identifiers)
            return self._begin(role, granted, timedelta(hours=hours), tx)

    def _begin(self, role: str, person_refs: Mapping[str, str], lifetime: timedelta, tx: Transaction) -> dict[str, str]:
        """Begin a session for each person; the tokens by what the persons were called."""
        principals = {
            name: Principal(person_ref=person_ref, role=role, session_id=str(uuid.uuid4()))
            for name, person_ref in person_refs.items()
        }
        rows: list[dict[str, object]] = [
            {
                "session_id": principal.session_id,
                "person_ref": principal.person_ref,
                "role": role,
                "created_at": tx.now,
                "expires_at": tx.now + lifetime,
            }
            for principal in principals.values()
        ]
        self.store.add_all(rows, tx)
        return {name: self.tokens.issue(principal, lifetime=lifetime) for name, principal in principals.items()}

    def sign_out(self, session_id: str) -> None:
        with self.database.transaction() as tx:
            self.store.end(session_id, tx)

    def is_open(self, session_id: str) -> bool:
        """Whether there is such a session and nobody has ended it; raises `Unavailable`."""
        with self.database.reading() as connection:
            return self.store.is_open(connection, session_id)
