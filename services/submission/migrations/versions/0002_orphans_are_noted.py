"""Orphans are noted before they are cleared away."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "orphan",
        sa.Column("object_key", sa.Text, primary_key=True),
        sa.Column("object_version", sa.Text, primary_key=True),
        sa.Column("first_seen_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_orphan_first_seen_at", "orphan", ["first_seen_at"])
