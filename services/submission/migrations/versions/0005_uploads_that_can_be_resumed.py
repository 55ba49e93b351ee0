"""Uploads that can be resumed, and the pieces of those that are not whole."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0005"
down_revision = "0004"

STATES = "'receiving','checking','ready','confirmed','refused','lapsed','expired','terminated'"
WHOLE = "state NOT IN ('checking','ready','confirmed','lapsed') OR (\"offset\" = length AND arrived_at IS NOT NULL)"


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("upload_id", sa.Text, primary_key=True),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("presentation_id", sa.Text, nullable=False),
        sa.Column("person_ref", sa.Text, nullable=False),
        sa.Column("submitted_by", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("length", sa.BigInteger, sa.CheckConstraint("length > 0"), nullable=False),
        sa.Column("offset", sa.BigInteger, sa.CheckConstraint('"offset" BETWEEN 0 AND length'), nullable=False),
        sa.Column("state", sa.Text, sa.CheckConstraint(f"state IN ({STATES})"), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("lease_until", UtcDateTime),
        sa.Column("arrived_at", UtcDateTime),
        sa.Column("confirm_by", UtcDateTime),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("sha256", sa.Text),
        sa.Column("media_type", sa.Text),
        sa.Column("object_key", sa.Text),
        sa.Column("object_version", sa.Text),
        sa.Column("submission_id", sa.Text),
        sa.Column("refusal_reason", sa.Text),
        sa.Column("refusal_detail", sa.Text),
        sa.CheckConstraint(WHOLE, name="upload_is_whole"),
        sa.CheckConstraint("state <> 'ready' OR object_key IS NOT NULL", name="upload_has_bytes"),
    )
    for column in ("work_id", "object_key", "state"):
        op.create_index(f"ix_upload_{column}", "upload", [column])
    op.create_table(
        "upload_piece",
        sa.Column("upload_id", sa.Text, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("size_bytes", sa.BigInteger, sa.CheckConstraint("size_bytes > 0"), nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("object_version", sa.Text, nullable=False),
    )
