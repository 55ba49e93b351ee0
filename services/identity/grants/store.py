"""Who was given which role, by whom and for how long; nothing is deleted, so that it can be asked about later."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.identity.grants.domain import GRANTED, Grant, Source
from services.identity.people.store import person_table
from services.identity.tables import metadata
from shared.chunks import in_chunks
from shared.columns import UtcDateTime
from shared.database import Transaction, insertion

CHUNK = 400

_ROLES = ",".join(f"'{role}'" for role in GRANTED)
_SOURCES = ",".join(f"'{source}'" for source in Source)

grant_table = sa.Table(
    "granted_role",
    metadata,
    sa.Column("grant_id", sa.Text, primary_key=True),
    sa.Column("person_ref", sa.Text, sa.ForeignKey("person.person_ref"), nullable=False),
    sa.Column("role", sa.Text, sa.CheckConstraint(f"role IN ({_ROLES})", name="granted_role_known"), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column(
        "source", sa.Text, sa.CheckConstraint(f"source IN ({_SOURCES})", name="granted_role_source"), nullable=False
    ),
    sa.Column("valid_from", UtcDateTime),
    sa.Column("valid_until", UtcDateTime),
    sa.Column("given_by", sa.Text, nullable=False),
    sa.Column("given_at", UtcDateTime, nullable=False),
    sa.Column("withdrawn_by", sa.Text),
    sa.Column("withdrawn_at", UtcDateTime),
    sa.CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="granted_role_times"),
)

_stands = grant_table.c.withdrawn_at.is_(None)
sa.Index(
    "ix_granted_role_once",
    grant_table.c.person_ref,
    grant_table.c.role,
    grant_table.c.scope,
    grant_table.c.source,
    unique=True,
    sqlite_where=_stands,
    postgresql_where=_stands,
)

Place = tuple[str, str]
"""A person (`person_ref`) and a role."""


class GrantStore:
    """Rows of grants; what was withdrawn is left out everywhere but in `history`."""

    def give_all(self, grants: Iterable[Grant], source: Source, tx: Transaction) -> None:
        """Record them, given by who acts; none of them may stand already."""
        rows = [
            {
                "grant_id": str(uuid.uuid4()),
                "person_ref": each.person_ref,
                "role": each.role,
                "scope": each.scope,
                "source": str(source),
                "valid_from": each.valid_from,
                "valid_until": each.valid_until,
                "given_by": tx.context.actor,
                "given_at": tx.now,
            }
            for each in grants
        ]
        tx.write(insertion(grant_table), rows)

    def withdraw_all(self, places: Iterable[Place], source: Source, tx: Transaction) -> None:
        """Take back what this source has given, whatever its scope."""
        for person_ref, role in places:
            self._withdraw(tx, grant_table.c.person_ref == person_ref, grant_table.c.role == role, _given_by(source))

    def withdraw(self, grant_id: str, tx: Transaction) -> None:
        """Take back one."""
        self._withdraw(tx, grant_table.c.grant_id == grant_id)

    def by_id(self, connection: sa.Connection, grant_id: str) -> Any | None:  # noqa: ANN401 - a row
        """A grant that stands, as a row."""
        return connection.execute(
            sa.select(grant_table).where(grant_table.c.grant_id == grant_id, _stands)
        ).one_or_none()

    def given(self, connection: sa.Connection, grant: Grant, source: Source) -> str | None:
        """The id of what stands for this person, role and scope from this source."""
        same = (
            grant_table.c.person_ref == grant.person_ref,
            grant_table.c.role == grant.role,
            grant_table.c.scope == grant.scope,
        )
        return connection.execute(sa.select(grant_table.c.grant_id).where(*same, _given_by(source), _stands)).scalar()

    def is_person(self, connection: sa.Connection, person_ref: str) -> bool:
        """Whether somebody is known by this reference."""
        query = sa.select(person_table.c.person_ref).where(person_table.c.person_ref == person_ref)
        return connection.execute(query).first() is not None

    def standing(self, person_refs: Sequence[str], source: Source, connection: sa.Connection) -> set[Place]:
        """The roles that these persons have from this source."""
        found: set[Place] = set()
        for chunk in in_chunks(person_refs, CHUNK):
            query = sa.select(grant_table.c.person_ref, grant_table.c.role)
            rows = connection.execute(query.where(grant_table.c.person_ref.in_(chunk), _given_by(source), _stands))
            found.update((row.person_ref, row.role) for row in rows)
        return found

    def of_role(self, connection: sa.Connection, *, role: str, identifiers: Sequence[str]) -> dict[str, list[Grant]]:
        """The grants of this role to those with these PIs or staff numbers, by them.

        Where rows are locked, they cannot be withdrawn before the transaction ends.
        """
        query = (
            sa.select(grant_table, person_table.c.identifier)
            .join(person_table, person_table.c.person_ref == grant_table.c.person_ref)
            .where(person_table.c.identifier.in_(identifiers), grant_table.c.role == role, _stands)
            .with_for_update(read=True, of=grant_table)
        )
        found: dict[str, list[Grant]] = defaultdict(list)
        for row in connection.execute(query):
            found[row.identifier].append(_grant(row))
        return found

    def roles_of(self, connection: sa.Connection, person_ref: str, *, now: datetime) -> list[str]:
        """The roles that this person holds now, by name."""
        query = sa.select(grant_table).where(grant_table.c.person_ref == person_ref, _stands)
        return sorted({grant.role for grant in map(_grant, connection.execute(query)) if grant.holds(now)})

    def standing_grants(self, connection: sa.Connection, person_ref: str, source: Source) -> dict[tuple[str, str], str]:
        """The ids of what this person has from this source, by role and scope."""
        query = sa.select(grant_table).where(grant_table.c.person_ref == person_ref, _given_by(source), _stands)
        return {(row.role, row.scope): row.grant_id for row in connection.execute(query)}

    def of_person(self, connection: sa.Connection, person_ref: str, role: str) -> list[Grant]:
        """The grants of this role to this person."""
        chosen = (grant_table.c.person_ref == person_ref, grant_table.c.role == role, _stands)
        return [_grant(row) for row in connection.execute(sa.select(grant_table).where(*chosen))]

    def _withdraw(self, tx: Transaction, *chosen: sa.ColumnElement[bool]) -> None:
        withdrawn = sa.update(grant_table).where(_stands, *chosen)
        tx.connection.execute(withdrawn.values(withdrawn_at=tx.now, withdrawn_by=tx.context.actor))


def _given_by(source: Source) -> sa.ColumnElement[bool]:
    return grant_table.c.source == str(source)


def _grant(row: Any) -> Grant:  # noqa: ANN401 - a row
    return Grant(
        person_ref=row.person_ref,
        role=row.role,
        scope=row.scope,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
    )
