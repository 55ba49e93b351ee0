"""A role is given by somebody, reaches so far and lasts so long; a session knows when it was last used."""

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import context, op

from shared.columns import UtcDateTime

revision = "0002"
down_revision = "0001"

ROLES = "'student','tutor','monitor','support','post_room','proxy','operations','admin'"


def upgrade() -> None:
    op.create_table(
        "granted_role",
        sa.Column("grant_id", sa.Text, primary_key=True),
        sa.Column("person_ref", sa.Text, sa.ForeignKey("person.person_ref"), nullable=False),
        sa.Column("role", sa.Text, sa.CheckConstraint(f"role IN ({ROLES})", name="granted_role_known"), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column(
            "source",
            sa.Text,
            sa.CheckConstraint("source IN ('import','desk','sign_in')", name="granted_role_source"),
            nullable=False,
        ),
        sa.Column("valid_from", UtcDateTime),
        sa.Column("valid_until", UtcDateTime),
        sa.Column("given_by", sa.Text, nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
        sa.Column("withdrawn_by", sa.Text),
        sa.Column("withdrawn_at", UtcDateTime),
        sa.CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="granted_role_times"),
    )
    stands = sa.text("withdrawn_at IS NULL")
    op.create_index(
        "ix_granted_role_once",
        "granted_role",
        ["person_ref", "role", "scope", "source"],
        unique=True,
        sqlite_where=stands,
        postgresql_where=stands,
    )
    if not context.is_offline_mode():
        _take_over_roles()
    op.drop_table("role_grant")
    with op.batch_alter_table("session") as table:
        table.add_column(sa.Column("seen_at", UtcDateTime))
        table.add_column(sa.Column("idle_seconds", sa.Integer, nullable=False, server_default="43200"))
    op.execute("UPDATE session SET seen_at = created_at")
    with op.batch_alter_table("session") as table:
        table.alter_column("seen_at", existing_type=UtcDateTime(), nullable=False)
        table.alter_column("idle_seconds", existing_type=sa.Integer(), server_default=None)
    op.create_index("ix_session_person_ref", "session", ["person_ref"])


def _take_over_roles() -> None:
    """All roles so far came with the university's data."""
    before = sa.table("role_grant", sa.column("person_ref"), sa.column("role"), sa.column("scope"))
    given = sa.table(
        "granted_role",
        *(sa.column(name) for name in ("grant_id", "person_ref", "role", "scope", "source", "given_by")),
        sa.column("given_at", UtcDateTime),
    )
    connection = op.get_bind()
    now = datetime.now(UTC)
    rows = connection.execute(sa.select(before)).mappings().all()
    for row in rows:
        values = {**row, "grant_id": str(uuid.uuid4()), "source": "import", "given_by": "system"}
        connection.execute(sa.insert(given).values(**values, given_at=now))
