"""Who of the staff looked at whose personal data."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "look",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("looked_at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_look_person_ref", "look", ["person_ref"])
