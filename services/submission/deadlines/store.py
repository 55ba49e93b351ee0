"""Cut-offs of single pieces of work, by agreement: each that ever held, the latest in force."""

from __future__ import annotations

import sqlalchemy as sa

from services.submission.tables import metadata
from shared.columns import UtcDateTime
from shared.contracts import CutOffChanged
from shared.database import Transaction, insertion

own_cut_off_table = sa.Table(
    "own_cut_off",
    metadata,
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


class DeadlineStore:
    """Writes inside the caller's transaction."""

    def add(self, fact: CutOffChanged, tx: Transaction) -> None:
        """Note the new cut-off of a work; the ones before stay as its history."""
        tx.write(insertion(own_cut_off_table), [fact.model_dump(exclude={"presentation_id"})])
