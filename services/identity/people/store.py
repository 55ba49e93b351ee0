"""Persons: the only place where a name, an address and a number stand together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.identity.tables import metadata
from shared.chunks import in_chunks
from shared.database import Transaction, upsert

CHUNK = 400

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


class PeopleStore:
    """Bulk reads and writes inside the caller's transaction."""

    def by_identifier(self, identifiers: Sequence[str], connection: sa.Connection) -> dict[str, dict[str, Any]]:
        """The stored persons with these PIs or staff numbers."""
        found: dict[str, dict[str, Any]] = {}
        for chunk in in_chunks(identifiers, CHUNK):
            chosen = person_table.c.identifier.in_(chunk)
            for row in connection.execute(sa.select(person_table).where(chosen)).mappings():
                found[row["identifier"]] = dict(row)
        return found

    def named(self, reference: str, connection: sa.Connection) -> dict[str, Any] | None:
        """The person with this person_ref, PI or staff number."""
        by = sa.or_(person_table.c.person_ref == reference, person_table.c.identifier == reference)
        row = connection.execute(sa.select(person_table).where(by)).mappings().one_or_none()
        return dict(row) if row else None

    def save_all(self, rows: Sequence[Mapping[str, Any]], tx: Transaction) -> None:
        tx.write(upsert(person_table, key=["person_ref"], update=["revision", "name", "email"]), rows)
