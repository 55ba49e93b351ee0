"""Who was erased: the reference only, so that no late fact brings them back."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "erased_person",
        sa.Column("person_ref", sa.Text, primary_key=True),
        sa.Column("erased_at", UtcDateTime, nullable=False),
        sa.Column("erased_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("cleared_at", UtcDateTime),
    )
