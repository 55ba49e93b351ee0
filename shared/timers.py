"""Timers as rows: set, moved and cancelled in a handler's transaction, fired with their effect in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa
import structlog

from shared.database import Database, Transaction, upsert
from shared.errors import Unavailable
from shared.killpoints import kill_point
from shared.messaging.tables import timer

BATCH = 200
FAILURES_BEFORE_ALARM = 3
LONGEST_WAIT = timedelta(minutes=5)
_MOVED = ("due_at", "payload")

Key = tuple[str, str]
"""A timer's kind and key."""

log = structlog.get_logger()


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
        self.set_all(tx, [Timer(kind=kind, key=key, due_at=due_at, payload=dict(payload or {}))])

    def set_all(self, tx: Transaction, timers: Sequence[Timer]) -> None:
        """Set these, or move those that are already set; no two are of one kind and key."""
        fresh = {"failures": 0, "not_before": None}
        rows = [{"kind": t.kind, "key": t.key, "due_at": t.due_at, "payload": t.payload} | fresh for t in timers]
        tx.write(upsert(timer, key=["kind", "key"], update=[*_MOVED, *fresh]), rows)

    def set_all_new(self, tx: Transaction, timers: Sequence[Timer]) -> None:
        """Set those that are not set yet; a set one keeps its moment."""
        rows = [{"kind": t.kind, "key": t.key, "due_at": t.due_at, "payload": t.payload} for t in timers]
        tx.write(upsert(timer, key=["kind", "key"], update=()), rows)

    def cancel(self, tx: Transaction, *, kind: str, key: str) -> None:
        """Forget the timer; nothing happens when it is not set."""
        tx.connection.execute(sa.delete(timer).where(timer.c.kind == kind, timer.c.key == key))


class TimersLoop:
    """Fires what is due, overdue ones first; safe with many processes, because a fired row is gone with its effect.

    All that is due fires in one transaction. When that fails and it is not the infrastructure, each fires alone, and
    the one that fails stays set and is tried again later, without end: it holds up no other, and none is ever lost.
    """

    def __init__(self, database: Database, handlers: Mapping[str, TimerHandler]) -> None:
        self.name = f"{database.source}.timers"
        self.database = database
        self.handlers = handlers

    def step(self, _stop: threading.Event) -> bool:
        """Fire one batch; True when something was fired, and not when another process has it. Raises `Unavailable`."""
        with self.database.reading() as connection:
            found = _keys(connection.execute(self._due(self.database.clock.now())).all())
        if not found:
            return False
        try:
            return self._fire(found)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the edge: one timer must not stop the others
            log.warning("timers.batch_failed", loop=self.name, error=type(error).__name__)
            for key in found:
                self._fire_alone(key)
            return True

    def problems(self) -> Mapping[str, str]:
        """What has failed so often that a person must look, with words for everybody; one look at an index."""
        many = timer.c.failures >= FAILURES_BEFORE_ALARM
        query = sa.select(timer.c.kind, sa.func.count()).where(sa.text("failures > 0"), many).group_by(timer.c.kind)
        with self.database.reading() as connection:
            failing = connection.execute(query.order_by(timer.c.kind)).all()
        words = ", ".join(f"{count} of kind {kind}" for kind, count in failing)
        return {self.name: f"timers cannot be fired and are tried again: {words}"} if failing else {}

    def _due(self, now: datetime) -> sa.Select[Any]:
        due = sa.select(timer).where(timer.c.kind.in_(list(self.handlers)), timer.c.due_at <= now)
        ready = sa.or_(timer.c.not_before.is_(None), timer.c.not_before <= now)
        return due.where(ready).order_by(timer.c.due_at).limit(BATCH)

    def _fire(self, chosen: Sequence[Key]) -> bool:
        """Fire those of the chosen that are still due, or none of them; whether there were any."""
        with self.database.transaction() as tx:
            these = sa.tuple_(timer.c.kind, timer.c.key).in_(chosen)
            rows = tx.connection.execute(self._due(tx.now).where(these).with_for_update(skip_locked=True)).all()
            fired = sorted((_timer(row) for row in rows), key=lambda one: one.kind)
            for kind, group in groupby(fired, key=lambda one: one.kind):
                self._fire_kind(kind, list(group), tx)
            kill_point("timers.fired")
        return bool(fired)

    def _fire_kind(self, kind: str, timers: Sequence[Timer], tx: Transaction) -> None:
        keys = [one.key for one in timers]
        tx.connection.execute(sa.delete(timer).where(timer.c.kind == kind, timer.c.key.in_(keys)))
        self.handlers[kind](timers, tx)

    def _fire_alone(self, key: Key) -> None:
        try:
            self._fire([key])
        except Unavailable:
            raise
        except Exception:
            failures = self._put_off(key)
            log.exception("timer.failed", loop=self.name, kind=key[0], key=key[1], failures=failures)

    def _put_off(self, key: Key) -> int:
        """Count a failure, and wait longer after each; returns how many there were."""
        this = sa.and_(timer.c.kind == key[0], timer.c.key == key[1])
        with self.database.transaction() as tx:
            query = sa.select(timer.c.failures).where(this).with_for_update()
            failures: int = (tx.connection.execute(query).scalar() or 0) + 1
            wait = min(timedelta(seconds=2 ** min(failures, 10)), LONGEST_WAIT)
            put_off = sa.update(timer).where(this).values(failures=failures, not_before=tx.now + wait)
            tx.connection.execute(put_off)
        return failures


def _keys(rows: Sequence[Any]) -> list[Key]:
    return [(row.kind, row.key) for row in rows]


def _timer(row: Any) -> Timer:  # noqa: ANN401 - a row
    return Timer(kind=row.kind, key=row.key, due_at=row.due_at, payload=row.payload)
