"""Scripts with their rulings, and what marking knows of tutors and students."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "known_group",
        sa.Column("group_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("tutor_ref", sa.Text),
    )
    op.create_table(
        "known_member",
        sa.Column("group_id", sa.Text, primary_key=True),
        sa.Column("person_ref", sa.Text, primary_key=True),
    )
    op.create_index("known_member_of_person", "known_member", ["person_ref"])
    op.create_table(
        "known_assignment",
        sa.Column("assignment_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("module_code", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("cut_off_at", UtcDateTime, nullable=False),
        sa.Column("anonymous", sa.Boolean, nullable=False),
    )
    op.create_table(
        "known_person",
        sa.Column("person_ref", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("personal_id", sa.Text),
    )
    op.create_table(
        "script",
        sa.Column("work_id", sa.Text, primary_key=True),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("state", sa.Text, sa.CheckConstraint("state IN ('held','allocated','collected')"), nullable=False),
        sa.Column("taken_submission_id", sa.Text, nullable=False),
        sa.Column("taken_version", sa.Integer, nullable=False),
        sa.Column("waits_for", sa.Text),
        sa.Column("group_id", sa.Text),
        sa.Column("tutor_ref", sa.Text),
        sa.Column("state_since", UtcDateTime, nullable=False),
        sa.Column("collected_at", UtcDateTime),
        sa.UniqueConstraint("assignment_id", "person_ref", name="script_of_student"),
        sa.CheckConstraint("(state = 'held') = (waits_for IS NOT NULL)", name="script_hold_has_reason"),
        sa.CheckConstraint("(state = 'held') = (tutor_ref IS NULL)", name="script_has_tutor"),
    )
    op.create_index("script_of_tutor", "script", ["tutor_ref", "assignment_id", "work_id"])
    op.create_index("script_of_person", "script", ["person_ref"])
    op.create_table(
        "ruling",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("submission_id", sa.Text, nullable=False, unique=True),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("ruling", sa.Text, sa.CheckConstraint("ruling IN ('taken','not_taken')"), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("object_version", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("arrived_at", UtcDateTime, nullable=False),
        sa.Column("ruled_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("work_id", "version", name="ruling_of_version"),
        sqlite_autoincrement=True,
    )
