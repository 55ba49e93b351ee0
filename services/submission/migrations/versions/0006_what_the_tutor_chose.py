"""What the tutor chose about a version that came after collection."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE version ADD COLUMN decision TEXT CHECK (decision IN ('taken','declined'))")
    op.add_column("version", sa.Column("decided_at", UtcDateTime))
