"""Lateness is corrected by signed rulings. Versions from before are ruled on as at first."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "ruling_statement",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("ruling_id", sa.Text, nullable=False, unique=True),
        sa.Column("receipt_id", sa.Text, nullable=False),
        sa.Column("submission_id", sa.Text, nullable=False),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("band_before", sa.Text, nullable=False),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("cut_off_at", UtcDateTime, nullable=False),
        sa.Column("cut_off_revision", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("corrected_at", UtcDateTime, nullable=False),
        sa.Column("statement", sa.Text, nullable=False),
        sa.CheckConstraint("band <> band_before", name="ruling_changes_something"),
        sa.UniqueConstraint("submission_id", "cut_off_revision", name="one_ruling_for_a_cut_off"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ruling_statement_receipt", "ruling_statement", ["receipt_id", "position"])
    op.add_column("version", sa.Column("corrected_band", sa.Text))
    op.create_index("ix_version_assignment", "version", ["assignment_id", "position"])
