"""The tables of messaging, and of what every service keeps beside it; the same in every service's database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from shared.columns import UtcDateTime
from shared.migrations.history import History

metadata = sa.MetaData()

HISTORY = History(Path(__file__).parent / "migrations" / "messaging", version_table="messaging_version")
"""A history of its own in the databases of all services, next to that of the service's own tables."""

RETAINED = timedelta(days=7)
"""How long a topic keeps its messages."""

ARCHIVED = timedelta(days=14)
"""How long an outbox keeps what it published, for a re-drive; and an inbox what it saw, so that one has no effect."""

key_sequence = sa.Table(
    "key_sequence",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("ce_id", sa.Text, nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("published_at", UtcDateTime),
    sa.Column("shard", sa.Integer, nullable=False, server_default="0"),
    sa.Index(
        "outbox_unpublished",
        "position",
        sqlite_where=sa.text("published_at IS NULL"),
        postgresql_where=sa.text("published_at IS NULL"),
    ),
    sa.Index(
        "outbox_published",
        "published_at",
        sqlite_where=sa.text("published_at IS NOT NULL"),
        postgresql_where=sa.text("published_at IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

time_source = sa.Table(
    "time_source",
    metadata,
    sa.Column("only", sa.Integer, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
)

progress = sa.Table(
    "progress",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("topic_id", sa.Text, nullable=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
)

observed_end = sa.Table(
    "observed_end",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("topic_id", sa.Text, nullable=False),
    sa.Column("end_offset", sa.BigInteger, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("ce_id", sa.Text, primary_key=True),
    sa.Column("handled_at", UtcDateTime, nullable=False, index=True),
)

dead_letter = sa.Table(
    "dead_letter",
    metadata,
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
    sa.Index(
        "dead_letter_open",
        "consumer",
        "topic",
        "key",
        sqlite_where=sa.text("state IN ('buried','parked')"),
        postgresql_where=sa.text("state IN ('buried','parked')"),
    ),
    sqlite_autoincrement=True,
)

look = sa.Table(
    "look",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("looked_at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False, index=True),
    sa.Column("what", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

erased_person = sa.Table(
    "erased_person",
    metadata,
    sa.Column("person_ref", sa.Text, primary_key=True),
    sa.Column("erased_at", UtcDateTime, nullable=False),
    sa.Column("erased_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("cleared_at", UtcDateTime),
)

spent = sa.Table(
    "spent",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("until_us", sa.BigInteger, nullable=False, index=True),
)

timer = sa.Table(
    "timer",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("due_at", UtcDateTime, nullable=False, index=True),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", UtcDateTime),
    sa.Index("timer_failing", "kind", sqlite_where=sa.text("failures > 0"), postgresql_where=sa.text("failures > 0")),
)
