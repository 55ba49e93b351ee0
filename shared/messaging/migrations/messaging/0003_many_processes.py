"""Several relays share an outbox by shards; a worker notes where the log ended."""

import sqlalchemy as sa
from alembic import context, op

from shared.columns import UtcDateTime
from shared.messaging.shards import shard_of

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("outbox") as table:
        table.add_column(sa.Column("shard", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "observed_end",
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("topic_id", sa.Text, nullable=False),
        sa.Column("end_offset", sa.BigInteger, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
    )
    if not context.is_offline_mode():
        _share_what_waits()


def _share_what_waits() -> None:
    """What is not published yet gets the shard of its key, lest a later fact of the key overtake it."""
    outbox = sa.table("outbox", sa.column("position"), sa.column("key"), sa.column("shard"), sa.column("published_at"))
    connection = op.get_bind()
    waiting = sa.select(outbox.c.position, outbox.c.key).where(outbox.c.published_at.is_(None))
    for row in connection.execute(waiting).all():
        share = sa.update(outbox).where(outbox.c.position == row.position).values(shard=shard_of(row.key))
        connection.execute(share)
