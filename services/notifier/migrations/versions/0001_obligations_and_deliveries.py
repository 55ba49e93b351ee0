"""Obligations, deliveries, and what the notifier knows of people and assignments."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("person_ref", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
    )
    op.create_table(
        "assignment",
        sa.Column("assignment_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("module_code", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("cut_off_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "delivery",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False, unique=True),
        sa.Column("correlation_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("uncertain_attempts", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("next_try_at", UtcDateTime, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("claimed_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
        sa.CheckConstraint("(state = 'sending') = (owner IS NOT NULL)", name="ck_delivery_sending_owner"),
    )
    unfinished = sa.text("state IN ('queued', 'sending', 'uncertain')")
    op.create_index(
        "ix_delivery_unfinished",
        "delivery",
        ["state", "next_try_at"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
    op.create_table(
        "obligation",
        sa.Column("obligation_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("submission_id", sa.Text),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("waits_for", sa.Text),
        sa.Column("delivery_id", sa.Text, sa.ForeignKey("delivery.delivery_id")),
        sa.UniqueConstraint("event_id", "person_ref", "purpose", name="uq_obligation_event_person_purpose"),
        sa.CheckConstraint("(state = 'held') = (waits_for IS NOT NULL)", name="ck_obligation_held_waits"),
        sa.CheckConstraint("(state = 'assigned') = (delivery_id IS NOT NULL)", name="ck_obligation_assigned_delivery"),
    )
    op.create_index("ix_obligation_inbox", "obligation", ["person_ref", "created_at", "obligation_id"])
    op.create_index("ix_obligation_delivery_id", "obligation", ["delivery_id"])
    is_open = sa.text("delivery_id IS NULL")
    op.create_index("ix_obligation_open", "obligation", ["person_ref"], sqlite_where=is_open, postgresql_where=is_open)
