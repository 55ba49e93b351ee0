"""What administrators see of people and their roles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.identity.grants.store import grant_table
from services.identity.people.store import person_table
from shared.errors import NotFound

SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Found:
    """Somebody as a search shows them."""

    person_ref: str
    name: str
    identifier: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A grant as a list shows it; `state` is held, to come, over or withdrawn."""

    grant_id: str
    role: str
    scope: str
    source: str
    state: str
    valid_from: datetime | None
    valid_until: datetime | None
    given_by: str


class GrantViews:
    """Queries on a caller's connection."""

    def people(self, connection: sa.Connection, search: str) -> list[Found]:
        """Up to fifty people by name; `search` is part of a name or of a number."""
        pattern = f"%{search}%"
        query = (
            sa.select(person_table.c.person_ref, person_table.c.name, person_table.c.identifier)
            .where(sa.or_(person_table.c.name.ilike(pattern), person_table.c.identifier.ilike(pattern)))
            .order_by(person_table.c.name, person_table.c.person_ref)
            .limit(SHOWN)
        )
        return [Found(**row) for row in connection.execute(query).mappings()]

    def person(self, connection: sa.Connection, reference: str) -> Found:
        """Who has this person_ref, PI or staff number; raises `NotFound`."""
        query = sa.select(person_table.c.person_ref, person_table.c.name, person_table.c.identifier)
        by = sa.or_(person_table.c.person_ref == reference, person_table.c.identifier == reference)
        row = connection.execute(query.where(by)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such person.")
        return Found(**row)

    def grants(self, connection: sa.Connection, person_ref: str, *, now: datetime) -> list[Shown]:
        """All roles that the person has or had, those that stand first, then the latest."""
        query = sa.select(grant_table).where(grant_table.c.person_ref == person_ref)
        order = (grant_table.c.withdrawn_at.is_not(None), grant_table.c.given_at.desc(), grant_table.c.grant_id)
        return [_shown(row, now) for row in connection.execute(query.order_by(*order))]


def _shown(row: Any, now: datetime) -> Shown:  # noqa: ANN401 - a row
    return Shown(
        grant_id=row.grant_id,
        role=row.role,
        scope=row.scope,
        source=row.source,
        state=_state_of(row, now),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        given_by=row.given_by,
    )


def _state_of(row: Any, now: datetime) -> str:  # noqa: ANN401 - a row
    if row.withdrawn_at is not None:
        return "withdrawn"
    if row.valid_until is not None and row.valid_until <= now:
        return "over"
    return "to come" if row.valid_from is not None and row.valid_from > now else "held"
