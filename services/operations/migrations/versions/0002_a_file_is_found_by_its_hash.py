"""Events that name a file are found by its hash; of those that are there it is taken out of their payloads."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

HASHES = {"postgresql": "CAST(payload AS json) ->> 'sha256'", "sqlite": "json_extract(payload, '$.sha256')"}


def upgrade() -> None:
    op.add_column("trail_event", sa.Column("file_sha256", sa.Text))
    event = sa.table("trail_event", sa.column("type"), sa.column("file_sha256"))
    found: sa.ColumnElement[str] = sa.literal_column(HASHES[op.get_context().dialect.name])
    received = event.c.type == "etma.submission.SubmissionReceived.v1"
    op.execute(sa.update(event).where(received).values(file_sha256=found))
    given = sa.text("file_sha256 IS NOT NULL")
    op.create_index(
        "ix_trail_event_file_sha256", "trail_event", ["file_sha256"], sqlite_where=given, postgresql_where=given
    )
