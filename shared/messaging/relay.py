"""Moves facts from a service's outbox to the bus: in order, at least once, marked only after the acknowledgement."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from shared.database import Database
from shared.housekeeping import STEP_ROWS
from shared.killpoints import kill_point
from shared.messaging.bus import Publisher
from shared.messaging.message import Message
from shared.messaging.shards import SHARDS
from shared.messaging.tables import ARCHIVED, outbox

BATCH = 500


class Relay:
    """One service's relay. Rows stay for fourteen days after publication: they are the archive for a re-drive.

    Several may run: what a relay publishes is of shards that it holds alone, so that a key keeps its order. It holds
    half of them at a time, and leaves the others to another relay.
    """

    def __init__(self, database: Database, bus: Publisher) -> None:
        self.name = f"{database.source}.relay"
        self.database = database
        self.bus = bus
        self._halves = (range(SHARDS // 2), range(SHARDS // 2, SHARDS))

    def step(self, _stop: threading.Event) -> bool:
        """Publish one batch of each half; True when there was something. Raises `Unavailable` while the bus is away."""
        published = [self._publish(half) for half in self._halves]
        return any(published)

    def _publish(self, shards: Sequence[int]) -> bool:
        if not self._unpublished(shards, limit=1):
            return False
        with self.database.holding(self.name, shards) as held:
            rows = self._unpublished(held, limit=BATCH)
            if not rows:
                return False
            kill_point("relay.read")
            self.bus.append(
                [Message.from_parts(topic=row.topic, key=row.key, headers=row.headers, value=row.value) for row in rows]
            )
            kill_point("relay.acknowledged")
            self._mark([row.position for row in rows])
        return True

    def _unpublished(self, shards: Sequence[int], *, limit: int) -> Sequence[Any]:
        chosen = sa.select(outbox).where(outbox.c.published_at.is_(None), outbox.c.shard.in_(shards))
        with self.database.reading() as connection:
            return connection.execute(chosen.order_by(outbox.c.position).limit(limit)).all()

    def _mark(self, positions: list[int]) -> None:
        with self.database.transaction() as tx:
            tx.connection.execute(sa.update(outbox).where(outbox.c.position.in_(positions)).values(published_at=tx.now))

    def prune(self) -> int:
        """Delete a step of the rows that were published more than fourteen days ago; returns how many."""
        with self.database.transaction() as tx:
            old = sa.select(outbox.c.position).where(outbox.c.published_at < tx.now - ARCHIVED).limit(STEP_ROWS)
            return tx.connection.execute(sa.delete(outbox).where(outbox.c.position.in_(old))).rowcount
