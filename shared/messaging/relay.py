"""Moves facts from a service's outbox to the bus: in order, at least once, marked only after the acknowledgement."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from shared.database import Database
from shared.housekeeping import STEP_ROWS
from shared.killpoints import kill_point
from shared.messaging.bus import Bus
from shared.messaging.message import Message
from shared.messaging.tables import ARCHIVED, outbox

BATCH = 500


class Relay:
    """One service's relay. Rows stay for fourteen days after publication: they are the archive for a re-drive."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.name = f"{database.source}.relay"
        self.database = database
        self.bus = bus

    def step(self, _stop: threading.Event) -> bool:
        """Publish one batch; True when there was something. Raises `Unavailable` while the bus is away."""
        with self.database.reading() as connection:
            rows = connection.execute(
                sa.select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.position).limit(BATCH)
            ).all()
        if not rows:
            return False
        kill_point("relay.read")
        self.bus.append(
            [Message.from_parts(topic=row.topic, key=row.key, headers=row.headers, value=row.value) for row in rows]
        )
        kill_point("relay.acknowledged")
        self._mark([row.position for row in rows])
        return True

    def _mark(self, positions: list[int]) -> None:
        with self.database.transaction() as tx:
            tx.connection.execute(sa.update(outbox).where(outbox.c.position.in_(positions)).values(published_at=tx.now))

    def prune(self) -> int:
        """Delete a step of the rows that were published more than fourteen days ago; returns how many."""
        with self.database.transaction() as tx:
            old = sa.select(outbox.c.position).where(outbox.c.published_at < tx.now - ARCHIVED).limit(STEP_ROWS)
            return tx.connection.execute(sa.delete(outbox).where(outbox.c.position.in_(old))).rowcount
