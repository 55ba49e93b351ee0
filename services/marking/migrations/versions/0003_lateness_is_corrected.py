"""What a version is ruled to be since its lateness was corrected."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("ruling", sa.Column("corrected_band", sa.Text))
