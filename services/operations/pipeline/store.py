"""The stage of each work, and the kept counters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from services.operations.pipeline.domain import Counts, Stage, Standing
from services.operations.tables import metadata
from shared.database import Transaction, UtcDateTime, upsert

stages = sa.Table(
    "work_stage",
    metadata,
    sa.Column("work_id", sa.Text, primary_key=True),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Index("ix_work_stage_stage", "stage", "since"),
    sa.Index("ix_work_stage_assignment", "assignment_id", "stage", "since"),
)

counts = sa.Table(
    "stage_count",
    metadata,
    sa.Column("assignment_id", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("count", sa.Integer, sa.CheckConstraint("count >= 0"), nullable=False),
)


class PipelineStore:
    """Moves works between stages together with the counters; a run is a constant number of statements."""

    def standings(self, work_ids: Sequence[str], tx: Transaction) -> dict[str, Standing]:
        """Return what is known of these works by id."""
        rows = tx.connection.execute(sa.select(stages).where(stages.c.work_id.in_(work_ids))).mappings()
        return {row["work_id"]: Standing(**{**row, "stage": Stage(row["stage"])}) for row in rows}

    def save_all(self, standings: Iterable[Standing], tx: Transaction) -> None:
        """Write the standings over what was known of their works."""
        tx.write(upsert(stages, key=["work_id"]), [asdict(standing) for standing in standings])

    def change_counts(self, changes: Counts, tx: Transaction) -> None:
        """Add to the counters; the caller holds the lock of the counters."""
        if not changes:
            return
        assignments = {assignment_id for assignment_id, _ in changes}
        kept = tx.connection.execute(sa.select(counts).where(counts.c.assignment_id.in_(assignments))).mappings()
        before: dict[tuple[str, str], int] = {(row["assignment_id"], row["stage"]): row["count"] for row in kept}
        rows = [
            {"assignment_id": assignment_id, "stage": stage, "count": before.get((assignment_id, stage), 0) + change}
            for (assignment_id, stage), change in changes.items()
        ]
        tx.write(upsert(counts, key=["assignment_id", "stage"]), rows)
