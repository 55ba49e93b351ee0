"""What an auditor from outside may read of this service: rows as they are, and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.notifier.deliveries.store import deliveries
from services.notifier.directory.store import assignments, persons
from services.notifier.obligations.store import obligations
from shared.database import Database
from shared.inspection import MESSAGING_KINDS, PAGE, check_kind

_OBLIGATIONS = sa.select(
    obligations.c.obligation_id.label("position"),
    obligations.c.event_id,
    obligations.c.event_type,
    obligations.c.person_ref,
    obligations.c.purpose,
    obligations.c.work_id,
    obligations.c.assignment_id,
    obligations.c.submission_id,
    obligations.c.state,
    obligations.c.waits_for,
    obligations.c.delivery_id,
    obligations.c.created_at,
)

_TOLD = (
    sa.select(sa.func.count())
    .select_from(obligations)
    .where(obligations.c.delivery_id == deliveries.c.delivery_id)
    .scalar_subquery()
)

_DELIVERIES = sa.select(
    deliveries.c.delivery_id.label("position"),
    deliveries.c.delivery_id,
    deliveries.c.person_ref,
    deliveries.c.state,
    deliveries.c.reason,
    deliveries.c.attempts,
    deliveries.c.message_id,
    deliveries.c.created_at,
    deliveries.c.finished_at,
    _TOLD.label("obligations"),
)

_PERSONS = sa.select(persons.c.person_ref.label("position"), persons.c.person_ref, persons.c.revision)
_ASSIGNMENTS = sa.select(assignments, assignments.c.assignment_id.label("position"))

_KEYED: Mapping[str, tuple[sa.Select[Any], sa.Column[Any]]] = {
    "obligations": (_OBLIGATIONS, obligations.c.obligation_id),
    "deliveries": (_DELIVERIES, deliveries.c.delivery_id),
    "persons": (_PERSONS, persons.c.person_ref),
    "assignments": (_ASSIGNMENTS, assignments.c.assignment_id),
}


class NotifierInspection:
    """See `shared.inspection.Inspection`; the kinds are `obligations`, who must be told what because of which event,
    `deliveries`, `persons` (references only), `assignments`, `outbox` and `counters`.

    `messaging` tells how outbox, progress and dead letters are.
    """

    def __init__(self, database: Database, messaging: Callable[[], Mapping[str, object]] = dict) -> None:
        self.database = database
        self.messaging = messaging

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        check_kind(kind, (*_KEYED, *MESSAGING_KINDS))
        if kind in MESSAGING_KINDS:
            return MESSAGING_KINDS[kind](self.database, after=after, limit=limit)
        rows, key = _KEYED[kind]
        with self.database.reading() as connection:
            page = connection.execute(rows.where(key > after).order_by(key).limit(limit)).mappings()
            return [{name: _plain(value) for name, value in row.items()} for row in page]

    def status(self) -> dict[str, object]:
        """Return counts by state, and since when the oldest message and the oldest digest wait (None: nothing does)."""
        with self.database.reading() as connection:
            return {
                "obligations": _by_state(obligations, connection),
                "deliveries": _by_state(deliveries, connection),
                "oldest_queued_at": _oldest(deliveries, ("queued", "sending", "uncertain"), connection),
                "oldest_pending_at": _oldest(obligations, ("pending",), connection),
                "oldest_held_at": _oldest(obligations, ("held",), connection),
                **self.messaging(),
            }


def _by_state(table: sa.Table, connection: sa.Connection) -> dict[str, int]:
    counted = sa.select(table.c.state, sa.func.count().label("number")).group_by(table.c.state).order_by(table.c.state)
    return {row.state: row.number for row in connection.execute(counted)}


def _oldest(table: sa.Table, states: tuple[str, ...], connection: sa.Connection) -> object:
    oldest = sa.select(table.c.created_at).where(table.c.state.in_(states)).order_by(table.c.created_at).limit(1)
    return _plain(connection.scalar(oldest))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
