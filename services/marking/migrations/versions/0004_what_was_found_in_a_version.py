"""What the search for malware in a version ended with last."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("ruling", sa.Column("scan_outcome", sa.Text))
