"""Sessions: who is signed in, in which role, since when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.identity.grants.store import grant_table
from services.identity.people.store import person_table
from services.identity.sessions.domain import Session
from services.identity.tables import metadata
from shared.columns import UtcDateTime
from shared.database import Transaction, insertion

SHOWN = 50

session_table = sa.Table(
    "session",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("person_ref", sa.Text, sa.ForeignKey("person.person_ref"), nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("idle_seconds", sa.Integer, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("provider_token", sa.Text),
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Somebody whom the demo sign-in offers."""

    person_ref: str
    name: str
    identifier: str
    role: str


class SessionStore:
    """Rows of sessions."""

    def candidates(self, connection: sa.Connection, search: str) -> list[Candidate]:
        """Up to fifty people with a role, staff first, by role and name; `search` is part of a name or a number."""
        pattern = f"%{search}%"
        query = (
            sa.select(person_table.c.person_ref, person_table.c.name, person_table.c.identifier, grant_table.c.role)
            .distinct()
            .join(grant_table, grant_table.c.person_ref == person_table.c.person_ref)
            .where(sa.or_(person_table.c.name.ilike(pattern), person_table.c.identifier.ilike(pattern)))
            .where(grant_table.c.withdrawn_at.is_(None))
            .subquery()
        )
        ordered = sa.select(query).order_by(query.c.role == "student", query.c.role, query.c.name).limit(SHOWN)
        return [Candidate(**row) for row in connection.execute(ordered).mappings()]

    def add_all(self, sessions: Iterable[Session], tx: Transaction) -> None:
        tx.write(insertion(session_table), [_row(each) for each in sessions])

    def find(self, connection: sa.Connection, session_id: str) -> Session | None:
        query = sa.select(session_table).where(session_table.c.session_id == session_id)
        row = connection.execute(query).one_or_none()
        return None if row is None else _session(row)

    def open_of(self, connection: sa.Connection, person_ref: str) -> Sequence[Session]:
        """The person's sessions that nobody has ended, the latest first."""
        chosen = (session_table.c.person_ref == person_ref, session_table.c.ended_at.is_(None))
        rows = connection.execute(sa.select(session_table).where(*chosen).order_by(session_table.c.created_at.desc()))
        return [_session(row) for row in rows]

    def note_seen(self, session_id: str, tx: Transaction) -> None:
        """Note that it is used now."""
        seen = sa.update(session_table).where(session_table.c.session_id == session_id)
        tx.connection.execute(seen.values(seen_at=tx.now))

    def end(self, session_id: str, tx: Transaction) -> None:
        """End one session; the moment stays when it has ended before."""
        self._end(tx, session_table.c.session_id == session_id)

    def end_of_person(self, person_ref: str, tx: Transaction) -> None:
        """End every session of this person."""
        self._end(tx, session_table.c.person_ref == person_ref)

    def end_of_roles(self, places: Iterable[tuple[str, str]], tx: Transaction) -> None:
        """End every session of these persons in these roles."""
        for person_ref, role in places:
            self._end(tx, session_table.c.person_ref == person_ref, session_table.c.role == role)

    def forget_tokens(self, tx: Transaction) -> None:
        """Forget what came from the provider with sessions that are over by their time."""
        over = sa.update(session_table).where(session_table.c.expires_at <= tx.now)
        tx.connection.execute(over.where(session_table.c.provider_token.is_not(None)).values(provider_token=None))

    def forget(self, before: datetime, tx: Transaction, *, limit: int) -> int:
        """Delete sessions that were over before this moment; returns how many."""
        old = sa.select(session_table.c.session_id).where(session_table.c.expires_at < before).limit(limit)
        return tx.connection.execute(sa.delete(session_table).where(session_table.c.session_id.in_(old))).rowcount

    def _end(self, tx: Transaction, *chosen: sa.ColumnElement[bool]) -> None:
        ended = sa.update(session_table).where(session_table.c.ended_at.is_(None), *chosen)
        tx.connection.execute(ended.values(ended_at=tx.now, provider_token=None))


def _row(session: Session) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "person_ref": session.person_ref,
        "role": session.role,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "seen_at": session.seen_at,
        "idle_seconds": int(session.idle.total_seconds()),
        "provider_token": session.provider_token,
    }


def _session(row: Any) -> Session:  # noqa: ANN401 - a row
    return Session(
        session_id=row.session_id,
        person_ref=row.person_ref,
        role=row.role,
        created_at=row.created_at,
        expires_at=row.expires_at,
        seen_at=row.seen_at,
        idle=timedelta(seconds=row.idle_seconds),
        ended_at=row.ended_at,
        provider_token=row.provider_token,
    )
