"""The trail's rows: one an event, appended in runs."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from services.operations.tables import metadata
from services.operations.trail.domain import Link
from shared.database import Transaction, UtcDateTime, insertion

events = sa.Table(
    "trail_event",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ce_id", sa.Text, nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("work_id", sa.Text),
    sa.Column("person_ref", sa.Text),
    sa.Column("submission_id", sa.Text),
    sa.Column("receipt_id", sa.Text),
    sa.Column("occurred_at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("causation_id", sa.Text),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("payload", sa.Text),
    sa.Column("payload_sha256", sa.Text, nullable=False),
    sa.Column("chain", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.Text),
)
for _name in ("work_id", "person_ref", "submission_id", "receipt_id", "file_sha256"):
    _column = events.c[_name]
    sa.Index(
        f"ix_trail_event_{_name}", _column, sqlite_where=_column.is_not(None), postgresql_where=_column.is_not(None)
    )
sa.Index("ix_trail_event_correlation_id", events.c.correlation_id)

works = sa.Table(
    "trail_work",
    metadata,
    sa.Column("work_id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
)
"""Events that are about several works, such as a digest that was delivered."""


class TrailStore:
    """Appends to the trail. Every call takes a whole run in a constant number of statements."""

    def last(self, tx: Transaction) -> Link | None:
        """Return the end of the chain, None when the trail is empty."""
        newest = sa.select(events.c.position, events.c.ce_id, events.c.payload_sha256, events.c.chain)
        row = tx.connection.execute(newest.order_by(events.c.position.desc()).limit(1)).mappings().first()
        return Link(**row) if row else None

    def known(self, ce_ids: Sequence[str], tx: Transaction) -> set[str]:
        """Return those of `ce_ids` that the trail has already."""
        return set(tx.connection.scalars(sa.select(events.c.ce_id).where(events.c.ce_id.in_(ce_ids))))

    def append(self, rows: Sequence[dict[str, object]], about: Sequence[dict[str, object]], tx: Transaction) -> None:
        """Write events, and which works those are about that are about several."""
        tx.write(insertion(events), rows)
        tx.write(insertion(works), about)
