"""Timers as rows: set, moved and cancelled in a handler's transaction, fired with their effect in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import sqlalchemy as sa

from shared.database import Database, Transaction, upsert
from shared.killpoints import kill_point
from shared.messaging.tables import timer

BATCH = 200


@dataclass(frozen=True, kw_only=True)
class Timer:
    """Something to do at a moment; (kind, key) is unique."""

    kind: str
    key: str
    due_at: datetime
    payload: dict[str, object]


TimerHandler = Callable[[Sequence[Timer], Transaction], None]


class Timers:
    """Setting and cancelling, inside a handler's transaction."""

    def set(
        self, tx: Transaction, *, kind: str, key: str, due_at: datetime, payload: Mapping[str, object] | None = None
    ) -> None:
        """Set the timer, or move it when it is already set."""
        row = {"kind": kind, "key": key, "due_at": due_at, "payload": dict(payload or {})}
        tx.connection.execute(upsert(timer, key=["kind", "key"], update=["due_at", "payload"]), [row])

    def set_all_new(self, tx: Transaction, timers: Sequence[Timer]) -> None:
        """Set those that are not set yet; a set one keeps its moment."""
        rows = [{"kind": t.kind, "key": t.key, "due_at": t.due_at, "payload": t.payload} for t in timers]
        if rows:
            tx.connection.execute(upsert(timer, key=["kind", "key"], update=()), rows)

    def cancel(self, tx: Transaction, *, kind: str, key: str) -> None:
        """Forget the timer; nothing happens when it is not set."""
        tx.connection.execute(sa.delete(timer).where(timer.c.kind == kind, timer.c.key == key))


class TimersLoop:
    """Fires what is due, overdue ones first; safe with many processes, because a fired row is gone with its effect."""

    def __init__(self, database: Database, handlers: Mapping[str, TimerHandler]) -> None:
        self.name = f"{database.source}.timers"
        self.database = database
        self.handlers = handlers

    def step(self, _stop: threading.Event) -> bool:
        """Fire one batch; True when something was due."""
        due = sa.select(timer).where(timer.c.kind.in_(list(self.handlers))).order_by(timer.c.due_at).limit(BATCH)
        with self.database.reading() as connection:
            if connection.execute(due.where(timer.c.due_at <= self.database.clock.now()).limit(1)).first() is None:
                return False
        with self.database.transaction() as tx:
            claimed = due.where(timer.c.due_at <= tx.now).with_for_update(skip_locked=True)
            rows = tx.connection.execute(claimed).all()
            fired = sorted((Timer(**row._mapping) for row in rows), key=lambda one: one.kind)  # noqa: SLF001
            for kind, group in groupby(fired, key=lambda one: one.kind):
                self._fire(kind, list(group), tx)
            kill_point("timers.fired")
        return bool(rows)

    def _fire(self, kind: str, timers: Sequence[Timer], tx: Transaction) -> None:
        keys = [one.key for one in timers]
        tx.connection.execute(sa.delete(timer).where(timer.c.kind == kind, timer.c.key.in_(keys)))
        self.handlers[kind](timers, tx)
