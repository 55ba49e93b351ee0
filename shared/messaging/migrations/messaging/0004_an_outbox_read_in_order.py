"""What is not published stands in one index of the outbox only, the one in order: PostgreSQL took the other for it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

IS_PUBLISHED = sa.text("published_at IS NOT NULL")


def upgrade() -> None:
    op.drop_index("outbox_published", "outbox")
    op.create_index(
        "outbox_published", "outbox", ["published_at"], sqlite_where=IS_PUBLISHED, postgresql_where=IS_PUBLISHED
    )
