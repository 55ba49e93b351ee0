"""Keys of receipts are retired and revoked. Those from before are active."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("receipt_key") as batch:
        batch.add_column(sa.Column("retired_at", UtcDateTime))
        batch.add_column(sa.Column("revoked_at", UtcDateTime))
        batch.add_column(sa.Column("revoked_since", UtcDateTime))
        batch.add_column(sa.Column("revocation_reason", sa.Text))
        batch.create_check_constraint("revoked_is_retired", "revoked_at IS NULL OR retired_at IS NOT NULL")
        batch.create_check_constraint("revoked_since_a_moment", "(revoked_at IS NULL) = (revoked_since IS NULL)")
