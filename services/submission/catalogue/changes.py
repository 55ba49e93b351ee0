"""What differs between rows as they are to be and as they are stored, and how that is written and announced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from services.submission.catalogue.domain import groups_key
from services.submission.catalogue.store import (
    KEYS,
    CatalogueStore,
    assignment_table,
    enrolment_table,
    group_table,
    tutor_table,
)
from shared.contracts import AssignmentDefined, EnrolmentRecorded, Fact, TutorGroupRecorded, TutorRecorded
from shared.database import Transaction

FACTS: Mapping[sa.Table, type[Fact]] = {
    assignment_table: AssignmentDefined,
    enrolment_table: EnrolmentRecorded,
    tutor_table: TutorRecorded,
    group_table: TutorGroupRecorded,
}

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many things of a catalogue were new, changed and as before."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(
            new=self.new + other.new,
            changed=self.changed + other.changed,
            unchanged=self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The rows that are new and those that are changed, as they are to be; how many are neither."""

    new: Sequence[Row] = ()
    changed: Sequence[Row] = ()
    unchanged: int = 0

    @property
    def fresh(self) -> Sequence[Row]:
        return [*self.new, *self.changed]

    @property
    def counts(self) -> Counts:
        return Counts(new=len(self.new), changed=len(self.changed), unchanged=self.unchanged)


def compare(table: sa.Table, rows: Sequence[Row], known: Mapping[str, Row]) -> Difference:
    """Hold rows against the stored ones, which are given by key and without their revision."""
    key = KEYS[table]
    new = [row for row in rows if row[key] not in known]
    changed = [row for row in rows if row[key] in known and known[row[key]] != row]
    return Difference(new=new, changed=changed, unchanged=len(rows) - len(new) - len(changed))


def record(store: CatalogueStore, table: sa.Table, rows: Sequence[Row], tx: Transaction) -> None:
    """Write the rows, each with a revision of its own, and announce them in this order."""
    if rows and table is group_table:
        presentations = sorted({row["presentation_id"] for row in rows})
        tx.lock(*map(groups_key, presentations))
        store.regrouped(presentations, tx)
    if rows:
        revisions = store.reserve_revisions(len(rows), tx)
        revised = [{**row, "revision": next(revisions)} for row in rows]
        store.save_all(table, revised, tx)
        tx.publish_all(FACTS[table].model_validate(row) for row in revised)
