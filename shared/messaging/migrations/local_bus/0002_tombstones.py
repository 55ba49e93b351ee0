"""Tombstones are found without reading the log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("log_tombstone", "log", ["topic", "partition", "key"], sqlite_where=sa.text("length(value) = 0"))
