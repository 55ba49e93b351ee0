"""People, what they may do, and their sessions."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("person_ref", sa.Text, primary_key=True),
        sa.Column("identifier", sa.Text, nullable=False, unique=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("personal_id", sa.Text),
        sa.Column("staff_number", sa.Text),
    )
    op.create_table(
        "role_grant",
        sa.Column("person_ref", sa.Text, sa.ForeignKey("person.person_ref"), primary_key=True),
        sa.Column("role", sa.Text, sa.CheckConstraint("role IN ('student','tutor','operations')"), primary_key=True),
        sa.Column("scope", sa.Text, primary_key=True),
    )
    op.create_table(
        "session",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("person_ref", sa.Text, sa.ForeignKey("person.person_ref"), nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
    )
