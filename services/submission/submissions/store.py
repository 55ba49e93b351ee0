"""Versions and refusals: what is written, and the reads that writing needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.submission.submissions.domain import Used
from services.submission.tables import metadata
from services.submission.upload.domain import Receipted
from shared.columns import UtcDateTime
from shared.database import Transaction, upsert

version_table = sa.Table(
    "version",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("submission_id", sa.Text, nullable=False, unique=True),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, sa.CheckConstraint("version >= 1"), nullable=False),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False, index=True),
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
    sa.Column("retained_until", UtcDateTime),
    sa.Column("decision", sa.Text, sa.CheckConstraint("decision IN ('taken','declined')")),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("corrected_band", sa.Text),
    sa.Column(
        "status",
        sa.Text,
        sa.CheckConstraint("status IN ('accepted','pending_request')"),
        nullable=False,
        server_default="accepted",
    ),
    sa.Index("ix_version_assignment", "assignment_id", "position"),
    sa.UniqueConstraint("work_id", "version", name="version_number"),
    sa.UniqueConstraint("submitted_by", "idempotency_key", name="version_idempotency"),
    sqlite_autoincrement=True,
)

_is_unretained = version_table.c.retained_until.is_(None)
sa.Index(
    "ix_version_unretained", version_table.c.position, sqlite_where=_is_unretained, postgresql_where=_is_unretained
)

refusal_table = sa.Table(
    "refusal",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("refusal_id", sa.Text, nullable=False, unique=True),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False),
    sa.Column("submitted_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("refused_at", UtcDateTime, nullable=False),
    sa.Column("idempotency_key", sa.Text),
    sa.Index("refusal_idempotency", "submitted_by", "idempotency_key", unique=True),
    sqlite_autoincrement=True,
)


class SubmissionStore:
    """Writes inside the caller's transaction."""

    def latest_version(self, work_id: str, tx: Transaction) -> int:
        """The number of the work's latest version, 0 before the first."""
        query = sa.select(sa.func.max(version_table.c.version)).where(version_table.c.work_id == work_id)
        return tx.connection.execute(query).scalar() or 0

    def used(self, work_id: str, connection: sa.Connection) -> Used:
        """How much of this work there is."""
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(version_table.c.size_bytes), 0))
        versions, size_bytes = connection.execute(query.where(version_table.c.work_id == work_id)).one()
        return Used(versions=versions, size_bytes=int(size_bytes))

    def by_idempotency_key(self, submitted_by: str, key: str, tx: Transaction) -> Any | None:  # noqa: ANN401 - a row
        """The version that was handed in under this key, as a row."""
        query = sa.select(version_table).where(
            version_table.c.submitted_by == submitted_by, version_table.c.idempotency_key == key
        )
        return tx.connection.execute(query).one_or_none()

    def by_submission_id(self, submission_id: str, tx: Transaction) -> Any | None:  # noqa: ANN401 - as above
        """The version as a row."""
        query = sa.select(version_table).where(version_table.c.submission_id == submission_id)
        return tx.connection.execute(query).one_or_none()

    def add_version(self, row: Mapping[str, object], tx: Transaction) -> bool:
        """Record it, unless there is one under the same key; whether there was none."""
        once = upsert(version_table, key=["submitted_by", "idempotency_key"], update=())
        return tx.connection.execute(once, dict(row)).rowcount == 1

    def add_refusal(self, row: Mapping[str, object], tx: Transaction) -> bool:
        """Record it, unless there is one under the same key; whether there was none."""
        once = upsert(refusal_table, key=["submitted_by", "idempotency_key"], update=())
        return tx.connection.execute(once, dict(row)).rowcount == 1

    def rule(self, rulings: Sequence[Mapping[str, object]], tx: Transaction) -> None:
        """Note marking's ruling; each has `which` (submission id), `what` and `why`."""
        statement = (
            sa.update(version_table)
            .where(version_table.c.submission_id == sa.bindparam("which"))
            .values(ruling=sa.bindparam("what"), ruling_reason=sa.bindparam("why"))
        )
        tx.connection.execute(statement, [dict(ruling) for ruling in rulings])

    def decide(self, decisions: Sequence[Mapping[str, object]], tx: Transaction) -> None:
        """Note what tutors chose; each has `which` (submission id), `what` (`taken` or `declined`) and `when`."""
        statement = (
            sa.update(version_table)
            .where(version_table.c.submission_id == sa.bindparam("which"))
            .values(decision=sa.bindparam("what"), decided_at=sa.bindparam("when", type_=UtcDateTime))
        )
        tx.connection.execute(statement, [dict(decision) for decision in decisions])

    def collect(self, collected: Sequence[Mapping[str, object]], tx: Transaction) -> None:
        """Note that tutors have these versions; each has `which` (submission id) and `when`."""
        statement = (
            sa.update(version_table)
            .where(version_table.c.submission_id == sa.bindparam("which"))
            .values(collected_at=sa.bindparam("when", type_=UtcDateTime))
        )
        tx.connection.execute(statement, [dict(row) for row in collected])

    def unretained(self, connection: sa.Connection, *, after: int, limit: int) -> Sequence[Receipted]:
        """Versions beyond this position whose object was not noted as retained, in order."""
        c = version_table.c
        query = sa.select(c.position, c.object_key, c.object_version, c.arrived_at)
        rows = connection.execute(query.where(_is_unretained, c.position > after).order_by(c.position).limit(limit))
        return [Receipted(**row) for row in rows.mappings()]

    def note_retained(self, until: Mapping[int, datetime], tx: Transaction) -> None:
        """Note until when the objects of the versions at these positions are retained."""
        statement = (
            sa.update(version_table)
            .where(version_table.c.position == sa.bindparam("which"))
            .values(retained_until=sa.bindparam("until", type_=UtcDateTime))
        )
        tx.connection.execute(statement, [{"which": which, "until": moment} for which, moment in until.items()])


def is_known_key(connection: sa.Connection, submitted_by: str, key: str) -> bool:
    """Whether something was handed in under this key: a retry is answered, however late it comes."""
    query = sa.select(version_table.c.version).where(
        version_table.c.submitted_by == submitted_by, version_table.c.idempotency_key == key
    )
    return connection.execute(query).first() is not None
