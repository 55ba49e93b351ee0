"""Outbox, inbox, progress, dead letters and timers."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "key_sequence",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("ce_id", sa.Text, nullable=False, unique=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("published_at", UtcDateTime),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "outbox_unpublished",
        "outbox",
        ["position"],
        sqlite_where=sa.text("published_at IS NULL"),
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_index("outbox_published", "outbox", ["published_at"])
    op.create_table(
        "time_source",
        sa.Column("only", sa.Integer, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
    )
    op.create_table(
        "progress",
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("topic_id", sa.Text, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("ce_id", sa.Text, primary_key=True),
        sa.Column("handled_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_inbox_handled_at", "inbox", ["handled_at"])
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column(
            "state", sa.Text, sa.CheckConstraint("state IN ('buried','parked','replayed','discarded')"), nullable=False
        ),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("buried_at", UtcDateTime, nullable=False),
        sa.Column("resolved_at", UtcDateTime),
        sa.Column("resolution", sa.Text),
        sa.UniqueConstraint("consumer", "topic", "partition", "offset", name="dead_letter_place"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "dead_letter_open",
        "dead_letter",
        ["consumer", "topic", "key"],
        sqlite_where=sa.text("state IN ('buried','parked')"),
        postgresql_where=sa.text("state IN ('buried','parked')"),
    )
    op.create_table(
        "timer",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
    )
    op.create_index("ix_timer_due_at", "timer", ["due_at"])
