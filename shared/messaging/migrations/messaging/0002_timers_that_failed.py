"""A timer that could not be fired is tried again later."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("timer", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column("timer", sa.Column("not_before", UtcDateTime))
    failing = sa.text("failures > 0")
    op.create_index("timer_failing", "timer", ["kind"], sqlite_where=failing, postgresql_where=failing)
