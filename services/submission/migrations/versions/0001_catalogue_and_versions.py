"""The catalogue, versions with their receipts, and refusals."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "assignment",
        sa.Column("assignment_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("module_code", sa.Text, nullable=False),
        sa.Column("module_title", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("cut_off_at", UtcDateTime, nullable=False),
        sa.Column("grace_ends_at", UtcDateTime, nullable=False),
        sa.Column("late_policy", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("allowed_types", sa.JSON, nullable=False),
        sa.Column("max_bytes", sa.BigInteger, nullable=False),
        sa.Column("max_name_length", sa.Integer, nullable=False),
        sa.Column("scored", sa.Boolean, nullable=False),
        sa.Column("anonymous", sa.Boolean, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
    )
    op.create_index("ix_assignment_presentation_id", "assignment", ["presentation_id"])
    op.create_table(
        "enrolment",
        sa.Column("enrolment_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.UniqueConstraint("person_ref", "presentation_id", name="enrolment_of_person"),
    )
    op.create_table(
        "tutor",
        sa.Column("tutor_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
    )
    op.create_table(
        "tutor_group",
        sa.Column("group_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("tutor_ref", sa.Text),
        sa.Column("member_refs", sa.JSON, nullable=False),
    )
    op.create_table(
        "catalogue_revision",
        sa.Column("only", sa.Integer, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "version",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("submission_id", sa.Text, nullable=False, unique=True),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, sa.CheckConstraint("version >= 1"), nullable=False),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("submitted_by", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, sa.CheckConstraint("size_bytes > 0"), nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False, unique=True),
        sa.Column("object_version", sa.Text, nullable=False),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("upload_started_at", UtcDateTime, nullable=False),
        sa.Column("arrived_at", UtcDateTime, nullable=False),
        sa.Column("cut_off_at", UtcDateTime, nullable=False),
        sa.Column("cut_off_revision", sa.Integer, nullable=False),
        sa.Column("receipt_id", sa.Text, nullable=False, unique=True),
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("ruling", sa.Text, sa.CheckConstraint("ruling IN ('taken','not_taken')")),
        sa.Column("ruling_reason", sa.Text),
        sa.Column("collected_at", UtcDateTime),
        sa.UniqueConstraint("work_id", "version", name="version_number"),
        sa.UniqueConstraint("submitted_by", "idempotency_key", name="version_idempotency"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_version_person_ref", "version", ["person_ref"])
    op.create_table(
        "refusal",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("refusal_id", sa.Text, nullable=False, unique=True),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("submitted_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("refused_at", UtcDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "receipt_key",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("public_jwk", sa.JSON, nullable=False),
        sa.Column("first_used_at", UtcDateTime, nullable=False),
    )
