"""Persons: the only place where a name, an address and a number stand together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.identity.tables import metadata
from shared.database import Transaction, upsert

CHUNK = 400

Grant = tuple[str, str]
"""A person (`person_ref`) and a role."""

person_table = sa.Table(
    "person",
    metadata,
    sa.Column("person_ref", sa.Text, primary_key=True),
    sa.Column("identifier", sa.Text, nullable=False, unique=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("personal_id", sa.Text),
    sa.Column("staff_number", sa.Text),
)

grant_table = sa.Table(
    "role_grant",
    metadata,
    sa.Column("person_ref", sa.Text, sa.ForeignKey("person.person_ref"), primary_key=True),
    sa.Column("role", sa.Text, sa.CheckConstraint("role IN ('student','tutor','operations')"), primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
)


class PeopleStore:
    """Bulk reads and writes inside the caller's transaction."""

    def by_identifier(self, identifiers: Sequence[str], connection: sa.Connection) -> dict[str, dict[str, Any]]:
        """The stored persons with these PIs or staff numbers."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(identifiers), CHUNK):
            chosen = person_table.c.identifier.in_(identifiers[start : start + CHUNK])
            for row in connection.execute(sa.select(person_table).where(chosen)).mappings():
                found[row["identifier"]] = dict(row)
        return found

    def save_all(self, rows: Sequence[Mapping[str, Any]], tx: Transaction) -> None:
        tx.write(upsert(person_table, key=["person_ref"], update=["revision", "name", "email"]), rows)

    def grant_all(self, grants: Iterable[Grant], tx: Transaction) -> None:
        """Give roles; one that is there already stays."""
        rows = [{"person_ref": person_ref, "role": role, "scope": "*"} for person_ref, role in grants]
        tx.write(upsert(grant_table, key=["person_ref", "role", "scope"], update=()), rows)

    def grants_of(self, person_refs: Sequence[str], tx: Transaction) -> set[Grant]:
        """The roles that these persons have."""
        found: set[Grant] = set()
        for start in range(0, len(person_refs), CHUNK):
            chosen = grant_table.c.person_ref.in_(person_refs[start : start + CHUNK])
            rows = tx.connection.execute(sa.select(grant_table.c.person_ref, grant_table.c.role).where(chosen))
            found.update((row.person_ref, row.role) for row in rows)
        return found

    def withdraw_all(self, grants: Iterable[Grant], tx: Transaction) -> None:
        for person_ref, role in grants:
            named = sa.and_(grant_table.c.person_ref == person_ref, grant_table.c.role == role)
            tx.connection.execute(sa.delete(grant_table).where(named))
