"""How many versions are not clean is counted in an index of these alone, with each look at the pipeline."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    unclean = sa.text("state <> 'clean'")
    op.create_index("scan_not_clean", "scan", ["state", "state_since"], sqlite_where=unclean, postgresql_where=unclean)
