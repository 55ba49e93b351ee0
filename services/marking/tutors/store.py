"""What marking knows of groups, assignments and people: projections of other services' facts, by revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from services.marking.allocation.domain import Place
from services.marking.tables import metadata
from shared.columns import UtcDateTime
from shared.database import Transaction, insertion

CHUNK = 500

group_table = sa.Table(
    "known_group",
    metadata,
    sa.Column("group_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("tutor_ref", sa.Text),
)

member_table = sa.Table(
    "known_member",
    metadata,
    sa.Column("group_id", sa.Text, primary_key=True),
    sa.Column("person_ref", sa.Text, primary_key=True),
    sa.Index("known_member_of_person", "person_ref"),
)

assignment_table = sa.Table(
    "known_assignment",
    metadata,
    sa.Column("assignment_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("module_code", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("cut_off_at", UtcDateTime, nullable=False),
    sa.Column("anonymous", sa.Boolean, nullable=False),
)

person_table = sa.Table(
    "known_person",
    metadata,
    sa.Column("person_ref", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("personal_id", sa.Text),
)


class TutorStore:
    """Projections and the reads that allocation needs."""

    def members_of(self, group_ids: Sequence[str], tx: Transaction) -> dict[str, list[str]]:
        """The present members of each of the groups that has any."""
        query = sa.select(member_table).where(member_table.c.group_id.in_(group_ids))
        found: dict[str, list[str]] = {}
        for row in tx.connection.execute(query):
            found.setdefault(row.group_id, []).append(row.person_ref)
        return found

    def replace_members(self, members: Mapping[str, Sequence[str]], tx: Transaction) -> None:
        """Give the groups these members."""
        tx.connection.execute(sa.delete(member_table).where(member_table.c.group_id.in_(list(members))))
        rows = [{"group_id": group_id, "person_ref": ref} for group_id, refs in members.items() for ref in refs]
        tx.write(insertion(member_table), rows)

    def places_of(self, person_refs: Sequence[str], tx: Transaction) -> dict[tuple[str, str], Place]:
        """By (presentation, person): the group, of several the one with the highest revision."""
        found: dict[tuple[str, str], Place] = {}
        for start in range(0, len(person_refs), CHUNK):
            query = (
                sa.select(member_table.c.person_ref, group_table)
                .join(group_table, group_table.c.group_id == member_table.c.group_id)
                .where(member_table.c.person_ref.in_(person_refs[start : start + CHUNK]))
                .order_by(group_table.c.revision)
            )
            for row in tx.connection.execute(query):
                place = Place(group_id=row.group_id, tutor_ref=row.tutor_ref)
                found[row.presentation_id, row.person_ref] = place
        return found
