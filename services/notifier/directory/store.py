"""Rows of persons and assignments, kept by revision."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from services.notifier.directory.domain import GROUPS, Contact, erased_contact, label_of, latest
from services.notifier.tables import metadata
from shared.contracts import AssignmentDefined, PersonRecorded
from shared.database import Transaction, UtcDateTime, upsert
from shared.persons import erased_among

persons = sa.Table(
    "person",
    metadata,
    sa.Column("person_ref", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
)

assignments = sa.Table(
    "assignment",
    metadata,
    sa.Column("assignment_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("module_code", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("cut_off_at", UtcDateTime, nullable=False),
)


class DirectoryStore:
    """Keeps the newest state of each person and assignment. Every call is one statement.

    `mail` has the addresses of the groups that get mail.
    """

    def __init__(self, mail: Mapping[str, str]) -> None:
        self.groups = {
            group: Contact(person_ref=group, name=name, email=mail.get(group) or None) for group, name in GROUPS.items()
        }

    def save_persons(self, recorded: Sequence[PersonRecorded], tx: Transaction) -> None:
        rows = [fact.model_dump(include={"person_ref", "revision", "name", "email"}) for fact in latest(recorded)]
        tx.write(upsert(persons, key=["person_ref"], where=_newer(persons)), rows)

    def save_assignments(self, defined: Sequence[AssignmentDefined], tx: Transaction) -> None:
        columns = {column.name for column in assignments.columns}
        rows = [fact.model_dump(include=columns) for fact in latest(defined)]
        tx.write(upsert(assignments, key=["assignment_id"], where=_newer(assignments)), rows)

    def contacts(self, person_refs: Collection[str], connection: sa.Connection) -> dict[str, Contact]:
        """Return those of the persons who are known, and those who were erased: they have no address."""
        wanted = sa.select(persons.c.person_ref, persons.c.name, persons.c.email)
        rows = connection.execute(wanted.where(persons.c.person_ref.in_(person_refs))).mappings()
        known = {row["person_ref"]: Contact(**row) for row in rows}
        known |= {group: contact for group, contact in self.groups.items() if group in person_refs}
        erased = erased_among(set(person_refs) - known.keys(), connection)
        return known | {person_ref: erased_contact(person_ref) for person_ref in erased}

    def labels(self, assignment_ids: Collection[str], connection: sa.Connection) -> dict[str, str]:
        """Return what people call each assignment; one that is not known (yet) is called by its id."""
        columns = (assignments.c.assignment_id, assignments.c.module_code, assignments.c.title)
        rows = connection.execute(sa.select(*columns).where(assignments.c.assignment_id.in_(assignment_ids)))
        known = {assignment_id: label_of(module_code, title) for assignment_id, module_code, title in rows}
        return {assignment_id: known.get(assignment_id, assignment_id) for assignment_id in assignment_ids}


def _newer(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.literal_column("excluded.revision") > table.c.revision
