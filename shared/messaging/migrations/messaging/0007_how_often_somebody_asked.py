"""How often somebody asked for what has a limit."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "spent",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_spent_until_us", "spent", ["until_us"])
