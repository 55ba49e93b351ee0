"""Notes of orphans: objects that no version knows, and since when that was noticed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from services.submission.tables import metadata
from shared.columns import UtcDateTime
from shared.database import Transaction, upsert

orphan_table = sa.Table(
    "orphan",
    metadata,
    sa.Column("object_key", sa.Text, primary_key=True),
    sa.Column("object_version", sa.Text, primary_key=True),
    sa.Column("first_seen_at", UtcDateTime, nullable=False, index=True),
)

Place = tuple[str, str]
"""An object's key and version."""


class OrphanStore:
    """Each call takes a chunk in one statement."""

    def noted(self, object_keys: Collection[str], connection: sa.Connection) -> set[Place]:
        """Which objects of these keys are noted."""
        query = sa.select(orphan_table.c.object_key, orphan_table.c.object_version)
        rows = connection.execute(query.where(orphan_table.c.object_key.in_(object_keys)))
        return {(row.object_key, row.object_version) for row in rows}

    def seen_before(self, moment: datetime, connection: sa.Connection, *, limit: int) -> list[Place]:
        """The objects that were noted at `moment` or earlier, the oldest notes first."""
        query = sa.select(orphan_table.c.object_key, orphan_table.c.object_version)
        due = query.where(orphan_table.c.first_seen_at <= moment).order_by(orphan_table.c.first_seen_at).limit(limit)
        return [(row.object_key, row.object_version) for row in connection.execute(due)]

    def note(self, places: Sequence[Place], moment: datetime, tx: Transaction) -> None:
        """Note these as seen at `moment`; a note that is there keeps its moment."""
        rows = [{"object_key": key, "object_version": version, "first_seen_at": moment} for key, version in places]
        tx.write(upsert(orphan_table, key=["object_key", "object_version"], update=()), rows)

    def forget(self, places: Sequence[Place], tx: Transaction) -> None:
        """Take these notes away."""
        which = (orphan_table.c.object_key == sa.bindparam("k"), orphan_table.c.object_version == sa.bindparam("v"))
        if places:
            tx.connection.execute(sa.delete(orphan_table).where(*which), [{"k": k, "v": v} for k, v in places])
