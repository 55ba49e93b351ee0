"""Deliveries that somebody must look at, a page at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from services.notifier.deliveries.domain import DeliveryState, flaw_of
from services.notifier.deliveries.reasons import words_of_reason
from services.notifier.deliveries.store import deliveries, is_failed, is_unfinished, resendings
from services.notifier.directory.store import DirectoryStore
from services.notifier.obligations.domain import Purpose
from services.notifier.obligations.store import obligations
from services.notifier.obligations.wording import KINDS
from services.notifier.places import name_of, place_of
from shared.database import Database

PAGE_SIZE = 50
LONG = timedelta(minutes=15)
"""For how long a message may wait for the mail server before somebody looks."""

_WORDS: Mapping[str, str] = {purpose.value: KINDS[purpose] for purpose in Purpose}


class Trouble(StrEnum):
    """Why somebody must look."""

    ANY = ""
    FAILED = "failed"
    """Is not tried again by itself."""
    UNCERTAIN = "uncertain"
    """May have left; is tried again."""
    LONG = "queued"
    """Has waited for long."""


@dataclass(frozen=True, kw_only=True)
class DeliveryLine:
    """A delivery as operations staff see it: no name, no address.

    `obstacle` says why it cannot be sent again, None when it can; `resent_by` is who had it sent again last.
    """

    delivery_id: str
    person_ref: str
    state: DeliveryState
    since: datetime
    kinds: tuple[str, ...]
    attempts: int
    reason: str
    obstacle: str | None
    resent_at: datetime | None
    resent_by: str | None


@dataclass(frozen=True, kw_only=True)
class DeliveryPage:
    """A page of lines, oldest first; `next_after` asks for the next one and is None at the end."""

    lines: tuple[DeliveryLine, ...]
    next_after: str | None


class DeliveryViews:
    """Read-only questions about what did not go out. What went out, however much it is, is not looked at."""

    def __init__(self, database: Database, directory: DirectoryStore) -> None:
        self.database = database
        self.directory = directory

    def page(self, trouble: Trouble, *, after: str | None = None, size: int = PAGE_SIZE) -> DeliveryPage:
        """Return what somebody must look at, behind that place. Raises `Rejected` for a place that is none."""
        with self.database.reading() as connection:
            found = self._found(trouble, after, size + 1, connection)
            lines = self._lines(found[:size], connection)
        more = len(found) > size
        return DeliveryPage(lines=lines, next_after=name_of(lines[-1].since, lines[-1].delivery_id) if more else None)

    def _found(
        self, trouble: Trouble, after: str | None, limit: int, connection: sa.Connection
    ) -> Sequence[sa.RowMapping]:
        """Look into each index alone: a condition over both would be in the words of none."""
        state, waits = deliveries.c.state, deliveries.c.state.in_(["queued", "sending"])
        waits_long = waits & (deliveries.c.created_at <= self.database.clock.now() - LONG)
        wanted: Mapping[Trouble, Sequence[sa.ColumnElement[bool]]] = {
            Trouble.ANY: [is_failed, is_unfinished & ((state == "uncertain") | waits_long)],
            Trouble.FAILED: [is_failed],
            Trouble.UNCERTAIN: [is_unfinished & (state == "uncertain")],
            Trouble.LONG: [is_unfinished & waits_long],
        }
        age = (deliveries.c.created_at, deliveries.c.delivery_id)
        found: list[sa.RowMapping] = []
        for condition in wanted[trouble]:
            query = sa.select(deliveries).where(condition).order_by(*age).limit(limit)
            behind = query.where(sa.tuple_(*age) > sa.tuple_(*place_of(after))) if after else query
            found.extend(connection.execute(behind).mappings())
        return sorted(found, key=lambda row: (row["created_at"], row["delivery_id"]))[:limit]

    def _lines(self, found: Sequence[sa.RowMapping], connection: sa.Connection) -> tuple[DeliveryLine, ...]:
        delivery_ids = [row["delivery_id"] for row in found]
        told, resent = _told(delivery_ids, connection), _resent(delivery_ids, connection)
        contacts = self.directory.contacts({row["person_ref"] for row in found}, connection)
        lines = []
        for row in found:
            delivery_id = row["delivery_id"]
            kinds = told.get(delivery_id, ())
            flaw = flaw_of(contacts.get(row["person_ref"]), tells=bool(kinds))
            again = resent.get(delivery_id)
            lines.append(
                DeliveryLine(
                    delivery_id=delivery_id,
                    person_ref=row["person_ref"],
                    state=DeliveryState(row["state"]),
                    since=row["created_at"],
                    kinds=kinds,
                    attempts=row["attempts"],
                    reason=words_of_reason(row["reason"]),
                    obstacle=words_of_reason(flaw) if flaw else None,
                    resent_at=again.resent_at if again else None,
                    resent_by=again.resent_by if again else None,
                )
            )
        return tuple(lines)


def _told(delivery_ids: Collection[str], connection: sa.Connection) -> dict[str, tuple[str, ...]]:
    """Return in words what kinds of news are in each; also what no purpose is called by."""
    columns = (obligations.c.delivery_id, obligations.c.purpose)
    wanted = sa.select(*columns).distinct().where(columns[0].in_(delivery_ids)).order_by(*columns)
    kinds: dict[str, tuple[str, ...]] = {}
    for delivery_id, purpose in connection.execute(wanted):
        kinds[delivery_id] = (*kinds.get(delivery_id, ()), _WORDS.get(purpose, purpose))
    return kinds


def _resent(delivery_ids: Collection[str], connection: sa.Connection) -> Mapping[str, sa.Row[tuple[object, ...]]]:
    """Return who had each sent again last."""
    wanted = sa.select(resendings).where(resendings.c.delivery_id.in_(delivery_ids)).order_by(resendings.c.resent_at)
    return {row.delivery_id: row for row in connection.execute(wanted)}
