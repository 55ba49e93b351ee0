"""What happened to a piece of work, and the whole chain for the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.operations.trail.store import events, works
from shared.contracts import fact_name
from shared.database import Database
from shared.inspection import number_of

LIMIT = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class TrailEvent:
    """One event as it is shown. `payload` is None once it was erased, and for facts about persons."""

    position: int
    ce_id: str
    type: str
    topic: str
    key: str
    work_id: str | None
    person_ref: str | None
    submission_id: str | None
    receipt_id: str | None
    occurred_at: datetime
    actor: str
    correlation_id: str
    causation_id: str | None
    sequence: int
    payload: str | None
    payload_sha256: str
    chain: str
    file_sha256: str | None

    @property
    def name(self) -> str:
        """The fact's own name, without producer and version."""
        return fact_name(self.type)


class TrailViews:
    """Read-only questions to the trail."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def about(self, reference: str, *, after: int = 0, limit: int = LIMIT) -> Sequence[TrailEvent]:
        """Return events in order about a submission, receipt, work or correlation id, behind position `after`.

        A submission or a receipt stands for its piece of work: all that happened to the work is returned.
        """
        works_of = [_works_where(events.c.submission_id == reference), _works_where(events.c.receipt_id == reference)]
        also = sa.select(events.c.position).where(events.c.correlation_id == reference)
        return self._in_order([*works_of, sa.select(sa.literal(reference))], [also], after, limit)

    def about_file(self, sha256: str, *, after: int = 0, limit: int = LIMIT) -> Sequence[TrailEvent]:
        """Return all that happened to the pieces of work of which this file, by its lower-case hash, was a version."""
        return self._in_order([_works_where(events.c.file_sha256 == sha256)], [], after, limit)

    def about_person(self, person_ref: str, *, after: int = 0, limit: int = LIMIT) -> Sequence[TrailEvent]:
        """Return what happened with a person, and all that happened to their pieces of work."""
        is_own = events.c.person_ref == person_ref
        return self._in_order([_works_where(is_own)], [sa.select(events.c.position).where(is_own)], after, limit)

    def _in_order(
        self, works_of: Sequence[sa.Select[Any]], positions: Sequence[sa.Select[Any]], after: int, limit: int
    ) -> Sequence[TrailEvent]:
        with self.database.reading() as connection:
            rows = connection.execute(_events_of(works_of, positions, after, limit)).mappings()
            return [TrailEvent(**row) for row in rows]

    def newest(self) -> datetime | None:
        """Return when the newest event that is known here happened."""
        newest = sa.select(events.c.occurred_at).order_by(events.c.position.desc()).limit(1)
        with self.database.reading() as connection:
            return connection.scalar(newest)

    def page(self, *, after: str, limit: int) -> list[dict[str, object]]:
        """Return the chain in order behind position `after`, as JSON-able rows."""
        chain = sa.select(events).where(events.c.position > number_of(after)).order_by(events.c.position).limit(limit)
        with self.database.reading() as connection:
            return [_jsonable(row) for row in connection.execute(chain).mappings()]


def _works_where(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(events.c.work_id).where(condition, events.c.work_id.is_not(None))


def _events_of(
    works_of: Sequence[sa.Select[Any]], positions: Sequence[sa.Select[Any]], after: int, limit: int
) -> sa.Select[Any]:
    """All events about these works, and those at these positions."""
    own = sa.select(sa.union(*works_of).subquery().c[0])
    places = [
        *positions,
        sa.select(events.c.position).where(events.c.work_id.in_(own)),
        sa.select(works.c.position).where(works.c.work_id.in_(own)),
    ]
    found = sa.select(sa.union(*places).subquery().c[0])
    query = sa.select(events).where(events.c.position.in_(found), events.c.position > after)
    return query.order_by(events.c.position).limit(limit)


def _jsonable(row: sa.RowMapping) -> dict[str, object]:
    return {**row, "position": str(row["position"]), "occurred_at": row["occurred_at"].isoformat()}
