"""Students ask their tutors for more time, and agree with them; names are known, of everybody from the beginning."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("assignment", sa.Column("latest_cut_off_at", UtcDateTime))
    op.execute(
        "ALTER TABLE version ADD COLUMN status TEXT DEFAULT 'accepted' NOT NULL "
        "CHECK (status IN ('accepted','pending_request'))"
    )
    op.create_table(
        "known_person",
        sa.Column("person_ref", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    bind = op.get_bind()
    if isinstance(bind, sa.Connection) and sa.inspect(bind).has_table("progress"):
        op.execute("DELETE FROM progress WHERE topic = 'etma.person.v1'")  # it is read again, from its beginning
    op.create_table(
        "own_cut_off",
        sa.Column("work_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.Text, nullable=False, unique=True),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("cut_off_at", UtcDateTime, nullable=False),
        sa.Column("grace_ends_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.CheckConstraint("grace_ends_at > cut_off_at", name="own_grace_is_later"),
    )
    op.create_table(
        "request",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("request_id", sa.Text, nullable=False, unique=True),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, sa.CheckConstraint("kind IN ('more_time')"), nullable=False),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("tutor_ref", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("turn", sa.Text, sa.CheckConstraint("turn IN ('student','tutor')"), nullable=False),
        sa.Column("revision", sa.Integer, sa.CheckConstraint("revision >= 1"), nullable=False),
        sa.Column("cut_off_at", UtcDateTime, nullable=False),
        sa.Column("protected_until", UtcDateTime, nullable=False),
        sa.Column("answer_by", UtcDateTime, nullable=False),
        sa.Column("proposed_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("escalated_at", UtcDateTime),
        sa.Column("closed_at", UtcDateTime),
        sa.CheckConstraint(
            "state IN ('proposed','countered','agreed','declined','withdrawn','lapsed')", name="request_state"
        ),
        sa.CheckConstraint("(state IN ('proposed','countered')) = (closed_at IS NULL)", name="request_closed"),
        sqlite_autoincrement=True,
    )
    is_open = sa.text("closed_at IS NULL")
    op.create_index("ix_request_person_ref", "request", ["person_ref"])
    op.create_index("ix_request_tutor_ref", "request", ["tutor_ref"])
    op.create_index(
        "request_open_of_work",
        "request",
        ["work_id", "kind"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index(
        "request_open_of_presentation",
        "request",
        ["presentation_id"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "request_word",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("by", sa.Text),
        sa.Column("by_ref", sa.Text),
        sa.Column("cut_off_at", UtcDateTime),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("said_at", UtcDateTime, nullable=False),
        sa.Column("erased_at", UtcDateTime),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_request_word_request_id", "request_word", ["request_id"])
