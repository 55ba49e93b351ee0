"""One refusal for a key: a retry records and announces nothing. Refusals from before have no key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("refusal", sa.Column("idempotency_key", sa.Text))
    op.create_index("refusal_idempotency", "refusal", ["submitted_by", "idempotency_key"], unique=True)
