"""What ends the sign-in at the university's provider, for sessions that came from there; old sessions are found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("session", sa.Column("provider_token", sa.Text))
    op.create_index("ix_session_expires_at", "session", ["expires_at"])
