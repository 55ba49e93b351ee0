"""Until when the store keeps the object of a version from being deleted. Versions from before are taken up as well."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("version", sa.Column("retained_until", UtcDateTime))
    unretained = sa.text("retained_until IS NULL")
    op.create_index(
        "ix_version_unretained", "version", ["position"], sqlite_where=unretained, postgresql_where=unretained
    )
