"""Questions to tutors about versions that came after collection. About those from before, the tutors are asked now."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcDateTime

revision = "0002"
down_revision = "0001"

_IS_LATEST = """
    ruling.version > script.taken_version
    AND ruling.version = (SELECT max(other.version) FROM ruling AS other WHERE other.work_id = ruling.work_id)
"""

_ASK = f"""
    INSERT INTO version_question (
        submission_id, work_id, version, earlier_submission_id, earlier_version, earlier_collected_at,
        state, opened_at, closed_at
    )
    SELECT ruling.submission_id, ruling.work_id, ruling.version,
        script.taken_submission_id, script.taken_version, script.collected_at,
        CASE WHEN {_IS_LATEST} THEN 'open' ELSE 'superseded' END,
        ruling.ruled_at, CASE WHEN {_IS_LATEST} THEN NULL ELSE ruling.ruled_at END
    FROM ruling JOIN script ON script.work_id = ruling.work_id
    WHERE ruling.ruling = 'not_taken' AND ruling.reason = 'collected'
    ORDER BY ruling.position
"""  # noqa: S608 - our own words


def upgrade() -> None:
    op.create_table(
        "version_question",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("submission_id", sa.Text, nullable=False, unique=True),
        sa.Column("work_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("earlier_submission_id", sa.Text, nullable=False),
        sa.Column("earlier_version", sa.Integer, nullable=False),
        sa.Column("earlier_collected_at", UtcDateTime),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("decided_by", sa.Text),
        sa.UniqueConstraint("work_id", "version", name="question_of_version"),
        sa.CheckConstraint("state IN ('open','superseded','taken','kept')", name="question_state"),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="question_closed"),
        sa.CheckConstraint("(state IN ('taken','kept')) = (decided_by IS NOT NULL)", name="question_decided"),
        sa.CheckConstraint("state = 'superseded' OR version > earlier_version", name="question_about_later"),
        sqlite_autoincrement=True,
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "question_open_of_work",
        "version_question",
        ["work_id"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.execute(_ASK)
