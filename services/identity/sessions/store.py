"""Sessions, and who may have one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from services.identity.people.store import grant_table, person_table
from services.identity.tables import metadata
from shared.columns import UtcDateTime
from shared.database import Transaction, insertion

SHOWN = 50

session_table = sa.Table(
    "session",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("person_ref", sa.Text, sa.ForeignKey("person.person_ref"), nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Somebody whom the demo sign-in offers."""

    person_ref: str
    name: str
    identifier: str
    role: str


class SessionStore:
    """Rows of sessions, and the grants that they rest on."""

    def candidates(self, connection: sa.Connection, search: str) -> list[Candidate]:
        """Up to fifty people with a role, staff first, by role and name; `search` is part of a name or a number."""
        pattern = f"%{search}%"
        query = (
            sa.select(person_table.c.person_ref, person_table.c.name, person_table.c.identifier, grant_table.c.role)
            .join(grant_table, grant_table.c.person_ref == person_table.c.person_ref)
            .where(sa.or_(person_table.c.name.ilike(pattern), person_table.c.identifier.ilike(pattern)))
            .order_by(grant_table.c.role == "student", grant_table.c.role, person_table.c.name)
            .limit(SHOWN)
        )
        return [Candidate(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001

    def granted(self, connection: sa.Connection, *, role: str, identifier: str) -> str | None:
        """The person_ref of who has this PI or staff number (or ref) and this role.

        The role cannot be withdrawn before the transaction ends, nor its sessions be ended without the one that begins.
        """
        query = (
            sa.select(person_table.c.person_ref)
            .join(grant_table, grant_table.c.person_ref == person_table.c.person_ref)
            .where(
                sa.or_(person_table.c.identifier == identifier, person_table.c.person_ref == identifier),
                grant_table.c.role == role,
            )
            .with_for_update(read=True, of=grant_table)
        )
        return connection.execute(query).scalar()

    def granted_all(self, connection: sa.Connection, *, role: str, identifiers: Sequence[str]) -> dict[str, str]:
        """The person_refs of those who have one of these PIs or staff numbers and this role; as `granted`."""
        query = (
            sa.select(person_table.c.identifier, person_table.c.person_ref)
            .join(grant_table, grant_table.c.person_ref == person_table.c.person_ref)
            .where(person_table.c.identifier.in_(identifiers), grant_table.c.role == role)
            .with_for_update(read=True, of=grant_table)
        )
        return {row.identifier: row.person_ref for row in connection.execute(query)}

    def add_all(self, rows: Sequence[dict[str, object]], tx: Transaction) -> None:
        tx.write(insertion(session_table), rows)

    def is_open(self, connection: sa.Connection, session_id: str) -> bool:
        """Whether there is such a session and nobody has ended it."""
        session = session_table.c
        query = sa.select(session.session_id).where(session.session_id == session_id, session.ended_at.is_(None))
        return connection.execute(query).first() is not None

    def end(self, session_id: str, tx: Transaction) -> None:
        """End one session; the moment stays when it has ended before."""
        self._end(tx, session_table.c.session_id == session_id)

    def end_of_roles(self, grants: Iterable[tuple[str, str]], tx: Transaction) -> None:
        """End every session of these persons in these roles."""
        for person_ref, role in grants:
            self._end(tx, session_table.c.person_ref == person_ref, session_table.c.role == role)

    def _end(self, tx: Transaction, *chosen: sa.ColumnElement[bool]) -> None:
        ended = sa.update(session_table).where(session_table.c.ended_at.is_(None), *chosen)
        tx.connection.execute(ended.values(ended_at=tx.now))
