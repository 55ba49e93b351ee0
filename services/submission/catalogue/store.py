"""The catalogue's tables and bulk writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa

from services.submission.tables import metadata
from shared.chunks import in_chunks
from shared.columns import UtcDateTime
from shared.database import Transaction, upsert

CHUNK = 500

assignment_table = sa.Table(
    "assignment",
    metadata,
    sa.Column("assignment_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False, index=True),
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
    sa.Column("latest_cut_off_at", UtcDateTime),
)

enrolment_table = sa.Table(
    "enrolment",
    metadata,
    sa.Column("enrolment_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.UniqueConstraint("person_ref", "presentation_id", name="enrolment_of_person"),
)

tutor_table = sa.Table(
    "tutor",
    metadata,
    sa.Column("tutor_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False),
)

group_table = sa.Table(
    "tutor_group",
    metadata,
    sa.Column("group_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("tutor_ref", sa.Text),
    sa.Column("member_refs", sa.JSON, nullable=False),
)

revision_table = sa.Table(
    "catalogue_revision",
    metadata,
    sa.Column("only", sa.Integer, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Integer, nullable=False),
)

KEYS = {
    assignment_table: "assignment_id",
    enrolment_table: "enrolment_id",
    tutor_table: "tutor_id",
    group_table: "group_id",
}


Regrouped = Callable[[Sequence[str], Transaction], None]
"""Hears of presentations in which groups are about to change, in the transaction that changes them."""


def _nobody(_presentation_ids: Sequence[str], _tx: Transaction) -> None:
    """Nobody wants to hear of it."""


class CatalogueStore:
    """Writes inside the caller's transaction."""

    def __init__(self, regrouped: Regrouped = _nobody) -> None:
        self.regrouped = regrouped

    def known(self, table: sa.Table, keys: Sequence[str], connection: sa.Connection) -> dict[str, dict[str, object]]:
        """The stored rows of these keys, without their revision."""
        column = table.c[KEYS[table]]
        found: dict[str, dict[str, object]] = {}
        for chunk in in_chunks(keys, CHUNK):
            for row in connection.execute(sa.select(table).where(column.in_(chunk))).mappings():
                found[row[KEYS[table]]] = {name: value for name, value in row.items() if name != "revision"}
        return found

    def groups_of(self, presentation_ids: Sequence[str], connection: sa.Connection) -> list[dict[str, object]]:
        """All groups of these presentations, without their revision."""
        columns = [column for column in group_table.c if column.name != "revision"]
        found: list[dict[str, object]] = []
        for chunk in in_chunks(presentation_ids, CHUNK):
            query = sa.select(*columns).where(group_table.c.presentation_id.in_(chunk))
            found += [dict(row) for row in connection.execute(query).mappings()]
        return found

    def presentations(self, presentation_ids: Sequence[str], connection: sa.Connection) -> set[str]:
        """Those of these presentations in which there is something to hand in."""
        column = assignment_table.c.presentation_id
        found: set[str] = set()
        for chunk in in_chunks(presentation_ids, CHUNK):
            found.update(connection.execute(sa.select(column).where(column.in_(chunk)).distinct()).scalars())
        return found

    def last_revision(self, connection: sa.Connection) -> int:
        """How far the counter is: while it stands still, nobody has changed the catalogue."""
        return connection.execute(sa.select(revision_table.c.revision)).scalar() or 0

    def save_all(self, table: sa.Table, rows: Sequence[dict[str, object]], tx: Transaction) -> None:
        """Insert or replace whole rows."""
        names = [column.name for column in table.c if column.name != KEYS[table]]
        tx.write(upsert(table, key=[KEYS[table]], update=names), rows)

    def reserve_revisions(self, count: int, tx: Transaction) -> Iterator[int]:
        """The next `count` revisions of the one counter that orders all changes of the catalogue."""
        tx.connection.execute(upsert(revision_table, key=["only"], update=()), [{"only": 1, "revision": 0}])
        moved = sa.update(revision_table).values(revision=revision_table.c.revision + count)
        last = tx.connection.execute(moved.returning(revision_table.c.revision)).scalar_one()
        return iter(range(last - count + 1, last + 1))
