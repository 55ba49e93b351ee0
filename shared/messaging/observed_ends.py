"""Where the log ended when a worker last looked, kept in the service's database.

Processes that have no broker to ask show the lag by it.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from shared.database import Database, upsert
from shared.messaging.tables import observed_end

Places = Mapping[tuple[str, int], tuple[str, int]]
"""By topic and partition: the topic's id, and one past its last record."""


class ObservedEnds:
    """See `shared.messaging.bus.LogEnds`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def end_offsets(self) -> Mapping[tuple[str, int], int]:
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(observed_end)).all()
        return {(row.topic, row.partition): row.end_offset for row in rows}

    def topic_id(self, topic: str) -> str:
        query = sa.select(observed_end.c.topic_id).where(observed_end.c.topic == topic).limit(1)
        with self.database.reading() as connection:
            return str(connection.execute(query).scalar())


def note_ends(database: Database, consumer: str, places: Places) -> None:
    """Note where partitions end now; raises `Unavailable`."""
    with database.transaction() as tx:
        rows = [
            {
                "consumer": consumer,
                "topic": topic,
                "partition": partition,
                "topic_id": topic_id,
                "end_offset": end,
                "seen_at": tx.now,
            }
            for (topic, partition), (topic_id, end) in places.items()
        ]
        tx.write(upsert(observed_end, key=["consumer", "topic", "partition"]), rows)
