"""What an auditor from outside may read of this service: rows as they are, and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.notifier.deliveries.handlers import DIGEST
from services.notifier.deliveries.store import deliveries, is_failed, is_unfinished, resendings
from services.notifier.directory.store import assignments, persons
from services.notifier.obligations.store import is_open, obligations
from services.notifier.preferences.store import preferences
from shared.database import Database
from shared.inspection import MESSAGING_KINDS, PAGE, check_kind
from shared.messaging.tables import timer

_WAITS = sa.and_(obligations.c.state == "pending", timer.c.kind == DIGEST, timer.c.key == obligations.c.person_ref)

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
    timer.c.due_at.label("waits_until"),
    preferences.c.way,
).select_from(
    obligations.outerjoin(timer, _WAITS).outerjoin(preferences, preferences.c.person_ref == obligations.c.person_ref)
)

_TOLD = (
    sa.select(sa.func.count())
    .select_from(obligations)
    .where(obligations.c.delivery_id == deliveries.c.delivery_id)
    .scalar_subquery()
)

_RESENT_AT = (
    sa.select(sa.func.max(resendings.c.resent_at, type_=resendings.c.resent_at.type))
    .where(resendings.c.delivery_id == deliveries.c.delivery_id)
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
    _RESENT_AT.label("resent_at"),
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
        """Return how many are in each state that asks for something to happen, and since when the oldest waits.

        What was told is not counted: it only grows, and whoever needs the number reads the stream. None for an oldest
        that is not there.
        """
        waiting = obligations.c.state
        with self.database.reading() as connection:
            return {
                "obligations": _by_state(waiting, is_open, connection),
                "deliveries": {
                    **_by_state(deliveries.c.state, is_failed, connection),
                    **_by_state(deliveries.c.state, is_unfinished, connection),
                },
                "oldest_queued_at": _oldest(deliveries.c.created_at, is_unfinished, connection),
                "oldest_pending_at": _oldest(obligations.c.created_at, is_open & (waiting == "pending"), connection),
                "oldest_held_at": _oldest(obligations.c.created_at, is_open & (waiting == "held"), connection),
                **self.messaging(),
            }


def _by_state(state: sa.Column[str], within: sa.ColumnElement[bool], connection: sa.Connection) -> dict[str, int]:
    """Count what is in an index that has a row for nothing else."""
    counted = sa.select(state.label("state"), sa.func.count().label("number")).where(within).group_by(state)
    return {row.state: row.number for row in connection.execute(counted.order_by(state))}


def _oldest(moment: sa.Column[datetime], within: sa.ColumnElement[bool], connection: sa.Connection) -> object:
    return _plain(connection.scalar(sa.select(moment).where(within).order_by(moment).limit(1)))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
