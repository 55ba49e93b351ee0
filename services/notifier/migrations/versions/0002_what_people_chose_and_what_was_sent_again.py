"""What people chose, and what was sent again."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "preference",
        sa.Column("person_ref", sa.Text, primary_key=True),
        sa.Column("way", sa.Text, nullable=False),
        sa.Column("chosen_at", UtcDateTime, nullable=False),
        sa.CheckConstraint("way IN ('at_once', 'daily', 'inbox_only')", name="ck_preference_way"),
    )
    op.create_table(
        "resending",
        sa.Column("delivery_id", sa.Text, sa.ForeignKey("delivery.delivery_id"), primary_key=True),
        sa.Column("resent_at", UtcDateTime, primary_key=True),
        sa.Column("resent_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    is_failed = sa.text("state = 'failed'")
    op.create_index(
        "ix_delivery_failed",
        "delivery",
        ["created_at", "delivery_id"],
        sqlite_where=is_failed,
        postgresql_where=is_failed,
    )
