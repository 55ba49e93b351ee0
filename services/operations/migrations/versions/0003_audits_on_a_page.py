"""Audits that were asked for on their page: at most one under way, and how the last ones ended."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "audit_run",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("under_way", sa.Integer(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("facts", sa.BigInteger(), nullable=True),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.CheckConstraint("(state = 'running') = (holder IS NOT NULL)", name="audit_run_held"),
        sa.CheckConstraint("(state IN ('asked','running')) = (under_way IS NOT NULL)", name="audit_run_under_way"),
        sa.CheckConstraint("state IN ('asked','running','finished','failed','cut_off')", name="audit_run_state"),
        sa.CheckConstraint("(holder IS NULL) = (lease_until IS NULL)", name="audit_run_lease_ends"),
        sa.CheckConstraint("under_way IS NULL OR under_way = 1", name="audit_run_only_one"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("under_way"),
        sqlite_autoincrement=True,
    )
