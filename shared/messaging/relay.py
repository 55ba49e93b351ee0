"""Moves facts from a service's outbox to the bus: in order, at least once, marked only after the acknowledgement."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from shared.database import Database
from shared.housekeeping import PRUNE_SECONDS, STEP_ROWS, Chore
from shared.killpoints import kill_point
from shared.messaging.bus import Publisher
from shared.messaging.message import Message
from shared.messaging.shards import SHARDS
from shared.messaging.tables import ARCHIVED, outbox
from shared.pace import Pace

BATCH = 500


class Relay:
    """One service's relay. Rows stay for fourteen days after publication: they are the archive for a re-drive.

    Several may run: what a relay publishes is of shards that it holds alone, so that a key keeps its order. Where
    another may be, it holds half of them at the most. One that has its process to itself is given a `pace`.
    """

    def __init__(self, database: Database, bus: Publisher, pace: Pace | None = None) -> None:
        self.name = f"{database.source}.relay"
        self.database = database
        self.bus = bus
        self.pace = pace

    def step(self, stop: threading.Event) -> bool:
        """Publish one batch; True when there was something. Raises `Unavailable` while the bus is away."""
        if self.pace:
            stop.wait(self.pace.rest(time.monotonic()))
        began = time.monotonic()
        published = self._publish()
        if self.pace and 0 < published < BATCH:
            self.pace.worked(began, time.monotonic())
        return published > 0

    def _publish(self) -> int:
        waiting = self._waiting_shards()
        if not waiting:
            return 0
        with self.database.holding(self.name, waiting, at_most=SHARDS // 2) as held:
            rows = self._unpublished(held)
            if not rows:
                return 0
            kill_point("relay.read")
            self.bus.append(
                [Message.from_parts(topic=row.topic, key=row.key, headers=row.headers, value=row.value) for row in rows]
            )
            kill_point("relay.acknowledged")
            self._mark([row.position for row in rows])
        return len(rows)

    def _waiting_shards(self) -> Sequence[int]:
        """The shards of what has waited longest, in that order."""
        with self.database.reading() as connection:
            oldest = connection.execute(_oldest(sa.select(outbox.c.shard)))
            return list(dict.fromkeys(oldest.scalars()))

    def _unpublished(self, shards: Sequence[int]) -> Sequence[Any]:
        with self.database.reading() as connection:
            return connection.execute(_oldest(sa.select(outbox).where(outbox.c.shard.in_(shards)))).all()

    def _mark(self, positions: list[int]) -> None:
        with self.database.transaction() as tx:
            tx.connection.execute(sa.update(outbox).where(outbox.c.position.in_(positions)).values(published_at=tx.now))

    def pruning(self) -> Chore:
        """The chore that keeps the outbox small."""
        return Chore(name=f"{self.name}.prune", every_seconds=PRUNE_SECONDS, run=self.prune)

    def prune(self) -> int:
        """Delete a step of the rows that were published more than fourteen days ago; returns how many."""
        with self.database.transaction() as tx:
            old = sa.select(outbox.c.position).where(outbox.c.published_at < tx.now - ARCHIVED).limit(STEP_ROWS)
            return tx.connection.execute(sa.delete(outbox).where(outbox.c.position.in_(old))).rowcount


def _oldest(query: sa.Select[Any]) -> sa.Select[Any]:
    """A batch of what is not published, in order."""
    return query.where(outbox.c.published_at.is_(None)).order_by(outbox.c.position).limit(BATCH)
