"""Signing in and out, and tokens for the command line."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from services.identity.grants.domain import Holding, holding_of
from services.identity.grants.store import GrantStore
from services.identity.sessions.domain import Session
from services.identity.sessions.store import Candidate, SessionStore
from shared.database import Database, Transaction
from shared.errors import NotFound
from shared.housekeeping import STEP_ROWS
from shared.web.tokens import Principal, SessionSigner


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How long a session may last in all, and unused; and what ends the sign-in at the provider it came from."""

    most: timedelta
    idle: timedelta
    provider_token: str | None = None


KEPT: Final = timedelta(days=30)
"""How long it is known that somebody was signed in."""

BROWSER: Final = Kind(most=timedelta(hours=12), idle=timedelta(hours=1))


class Sessions:
    """The use cases."""

    def __init__(self, *, database: Database, store: SessionStore, grants: GrantStore, signer: SessionSigner) -> None:
        self.database = database
        self.store = store
        self.grants = grants
        self.signer = signer

    def candidates(self, search: str) -> list[Candidate]:
        with self.database.reading() as connection:
            return self.store.candidates(connection, search)

    def sign_in(self, *, role: str, identifier: str, hours: int = 12) -> str:
        """A token for a program of who has this PI or staff number and role, for so long, used or not.

        Raises `NotFound` with words for both mistakes.
        """
        return self._sign_in(role, identifier, _for_hours(hours), replaces=None)

    def sign_in_here(
        self, *, role: str, identifier: str, replaces: str | None, provider_token: str | None = None
    ) -> str:
        """A token for the browser of who has this PI or staff number and role.

        The session `replaces`, which the browser had before, is over: nobody goes on in it. Raises `NotFound`.
        """
        kind = replace(BROWSER, provider_token=provider_token)
        return self._sign_in(role, identifier, kind, replaces=replaces)

    def sign_in_all(self, *, role: str, identifiers: Sequence[str], hours: int = 12) -> dict[str, str]:
        """A token as `sign_in` gives it for each of them who has the role; the others are left out."""
        with self.database.transaction() as tx:
            return self._begin(role, self._holding(role, identifiers, tx), _for_hours(hours), tx)

    def _sign_in(self, role: str, identifier: str, kind: Kind, *, replaces: str | None) -> str:
        with self.database.transaction() as tx:
            holding = self._holding(role, [identifier], tx)
            if not holding:
                detail = f"There is nobody with the number {identifier} who is {role.replace('_', ' ')}."
                raise NotFound(detail)
            if replaces is not None:
                self.store.end(replaces, tx)
            return self._begin(role, holding, kind, tx)[identifier]

    def _holding(self, role: str, identifiers: Sequence[str], tx: Transaction) -> dict[str, Holding]:
        grants = self.grants.of_role(tx.connection, role=role, identifiers=identifiers)
        held = {name: holding_of(given, now=tx.now) for name, given in grants.items()}
        return {name: holding for name, holding in held.items() if holding is not None}

    def _begin(self, role: str, holdings: Mapping[str, Holding], kind: Kind, tx: Transaction) -> dict[str, str]:
        """Begin a session for each person; the tokens by what the persons were called."""
        sessions = {name: _session(role, holding, kind, tx) for name, holding in holdings.items()}
        self.store.add_all(sessions.values(), tx)
        return {name: self._token(session, holdings[name].scopes, tx) for name, session in sessions.items()}

    def _token(self, session: Session, scopes: Iterable[str], tx: Transaction) -> str:
        return self.signer.issue(principal_of(session, scopes), confirmed_at=tx.now, ends_at=session.expires_at)

    def sign_out(self, session_id: str) -> str | None:
        """End a session; what ends the sign-in at the provider, if it came from there."""
        with self.database.transaction() as tx:
            session = self.store.find(tx.connection, session_id)
            self.store.end(session_id, tx)
        return session.provider_token if session else None

    def sign_out_everywhere(self, person_ref: str) -> None:
        """End all sessions of this person, in every role; no process takes them for open after five minutes."""
        with self.database.transaction() as tx:
            self.store.end_of_person(person_ref, tx)

    def open_of(self, person_ref: str) -> Sequence[Session]:
        """The sessions in which this person is signed in now."""
        now = self.database.clock.now()
        with self.database.reading() as connection:
            return [each for each in self.store.open_of(connection, person_ref) if each.is_open(now)]

    def renew(self, session_id: str) -> str | None:
        """A new token of a session that is open, in a role that is still held; None when it is over.

        Its scopes are those of now. Raises `Unavailable`.
        """
        now = self.database.clock.now()
        with self.database.reading() as connection:
            session = self.store.find(connection, session_id)
            if session is None or not session.is_open(now):
                return None
            grants = self.grants.of_person(connection, session.person_ref, session.role)
        holding = holding_of(grants, now=now)
        if holding is None:
            return None
        if session.is_news(now):
            with self.database.transaction() as tx:
                self.store.note_seen(session_id, tx)
        principal = principal_of(session, holding.scopes)
        return self.signer.issue(principal, confirmed_at=now, ends_at=session.expires_at)


class SessionPruning:
    """What ended long ago goes, and what ends the sign-in at the provider as soon as a session cannot be used."""

    def __init__(self, database: Database, store: SessionStore) -> None:
        self.database = database
        self.store = store

    def prune(self) -> int:
        """Delete some; how many."""
        with self.database.transaction() as tx:
            self.store.forget_tokens(tx)
            return self.store.forget(tx.now - KEPT, tx, limit=STEP_ROWS)


def principal_of(session: Session, scopes: Iterable[str]) -> Principal:
    """Who is signed in by this session, with these scopes."""
    return Principal(
        person_ref=session.person_ref, role=session.role, session_id=session.session_id, scopes=tuple(scopes)
    )


def _for_hours(hours: int) -> Kind:
    return Kind(most=timedelta(hours=hours), idle=timedelta(hours=hours))


def _session(role: str, holding: Holding, kind: Kind, tx: Transaction) -> Session:
    """A new one, that does not outlast the role."""
    end = tx.now + kind.most
    return Session(
        session_id=str(uuid.uuid4()),
        person_ref=holding.person_ref,
        role=role,
        created_at=tx.now,
        expires_at=end if holding.until is None else min(end, holding.until),
        seen_at=tx.now,
        idle=kind.idle,
        provider_token=kind.provider_token,
    )
