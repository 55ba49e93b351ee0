"""The trail and the pipeline."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "trail_event",
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
    )
    for name in ("work_id", "person_ref", "submission_id", "receipt_id"):
        given = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_trail_event_{name}", "trail_event", [name], sqlite_where=given, postgresql_where=given)
    op.create_index("ix_trail_event_correlation_id", "trail_event", ["correlation_id"])
    op.create_table(
        "trail_work",
        sa.Column("work_id", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "work_stage",
        sa.Column("work_id", sa.Text, primary_key=True),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_index("ix_work_stage_stage", "work_stage", ["stage", "since"])
    op.create_index("ix_work_stage_assignment", "work_stage", ["assignment_id", "stage", "since"])
    op.create_table(
        "stage_count",
        sa.Column("assignment_id", sa.Text, primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, sa.CheckConstraint("count >= 0"), nullable=False),
    )
