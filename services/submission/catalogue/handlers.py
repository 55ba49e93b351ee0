"""Taking a catalogue in: compared with what is stored, and only what changed is written and announced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.submission.catalogue.changes import FACTS, Counts, Row, compare, record
from services.submission.catalogue.domain import CUT_OFF_MOVED, RULED_BY, next_midnight, noon_of
from services.submission.catalogue.store import (
    KEYS,
    CatalogueStore,
    assignment_table,
    enrolment_table,
    group_table,
    tutor_table,
)
from services.submission.catalogue.university import (
    MEGABYTE,
    AssignmentEntry,
    ModuleEntry,
    PresentationEntry,
    University,
)
from shared.database import Transaction
from shared.timers import Timers


class CatalogueImport:
    """Idempotent: taking in the same catalogue twice writes and announces nothing the second time."""

    def __init__(self, store: CatalogueStore) -> None:
        self.store = store
        self.timers = Timers()

    def apply(self, university: University, people: Mapping[str, str], tx: Transaction) -> dict[str, Counts]:
        """Write and announce what changed; `people` gives the person_ref of each PI and staff number.

        A student who moves is announced first as gone from the old group, then as a member of the new one.
        """
        tx.lock("catalogue")
        rows = _rows(university, people)
        counts = {
            table.name: self._save(table, rows[table], tx) for table in (assignment_table, enrolment_table, tutor_table)
        }
        moved = self._losses(rows[group_table], tx)
        counts[group_table.name] = self._save(group_table, moved, tx).plus(
            self._save(group_table, rows[group_table], tx)
        )
        return counts

    def _losses(self, gaining: Sequence[Row], tx: Transaction) -> list[Row]:
        """The stored groups that lose members to `gaining`, without them."""
        group_of = {(row["presentation_id"], ref): row["group_id"] for row in gaining for ref in row["member_refs"]}
        losses = []
        for stored in self.store.groups_of(sorted({row["presentation_id"] for row in gaining}), tx.connection):
            members: Any = stored["member_refs"]
            kept = [
                ref
                for ref in members
                if group_of.get((stored["presentation_id"], ref), stored["group_id"]) == stored["group_id"]
            ]
            if len(kept) < len(members):
                losses.append({**stored, "member_refs": kept})
        return losses

    def _save(self, table: sa.Table, rows: Sequence[Row], tx: Transaction) -> Counts:
        known = self.store.known(table, [row[KEYS[table]] for row in rows], tx.connection)
        difference = compare(table, rows, known)
        record(self.store, table, difference.fresh, tx)
        if table is assignment_table:
            self._have_ruled_again(difference.changed, known, tx)
        return difference.counts

    def _have_ruled_again(self, changed: Sequence[Row], known: Mapping[str, Row], tx: Transaction) -> None:
        """Have those who handed in already held against the new cut-off: later, and in steps."""
        for row in changed:
            if any(row[name] != known[row["assignment_id"]][name] for name in RULED_BY):
                self.timers.set(tx, kind=CUT_OFF_MOVED, key=row["assignment_id"], due_at=tx.now)


def _rows(university: University, people: Mapping[str, str]) -> dict[sa.Table, list[Row]]:
    found: dict[sa.Table, list[Row]] = {table: [] for table in FACTS}
    for module in university.modules:
        for presentation in module.presentations:
            presentation_id = f"{module.code}-{presentation.code}"
            found[assignment_table] += [_assignment(module, presentation, a) for a in presentation.assignments]
            found[enrolment_table] += _enrolments(presentation, presentation_id, people)
            found[tutor_table] += _tutors(presentation, presentation_id, people)
            found[group_table] += _groups(presentation, presentation_id, people)
    return found


def _assignment(module: ModuleEntry, presentation: PresentationEntry, entry: AssignmentEntry) -> Row:
    presentation_id = f"{module.code}-{presentation.code}"
    cut_off_at = noon_of(entry.cut_off)
    ceiling = noon_of(presentation.ends.replace(day=1)) if presentation.ends and entry.final else None
    return {
        "assignment_id": f"{presentation_id}-{entry.number}",
        "presentation_id": presentation_id,
        "module_code": module.code,
        "module_title": module.title,
        "title": entry.title,
        "kind": str(entry.kind),
        "cut_off_at": cut_off_at,
        "grace_ends_at": next_midnight(cut_off_at),
        "late_policy": str(entry.effective_late_policy),
        "category": str(entry.category),
        "allowed_types": list(entry.allowed_types),
        "max_bytes": int(entry.max_megabytes * MEGABYTE),
        "max_name_length": entry.max_name_length,
        "scored": entry.effective_scored,
        "anonymous": entry.anonymous,
        "final": entry.final,
        "latest_cut_off_at": ceiling,
    }


def _enrolments(presentation: PresentationEntry, presentation_id: str, people: Mapping[str, str]) -> list[Row]:
    statuses = dict.fromkeys(presentation.enrolled, "active") | dict.fromkeys(presentation.withdrawn, "withdrawn")
    return [
        {
            "enrolment_id": f"{presentation_id}:{people[personal_id]}",
            "presentation_id": presentation_id,
            "person_ref": people[personal_id],
            "status": status,
        }
        for personal_id, status in statuses.items()
    ]


def _tutors(presentation: PresentationEntry, presentation_id: str, people: Mapping[str, str]) -> list[Row]:
    numbers: Iterable[str] = dict.fromkeys(group.tutor for group in presentation.groups if group.tutor)
    return [
        {
            "tutor_id": f"{presentation_id}:{people[number]}",
            "presentation_id": presentation_id,
            "person_ref": people[number],
        }
        for number in numbers
    ]


def _groups(presentation: PresentationEntry, presentation_id: str, people: Mapping[str, str]) -> list[Row]:
    return [
        {
            "group_id": f"{presentation_id}-{group.number}",
            "presentation_id": presentation_id,
            "tutor_ref": people[group.tutor] if group.tutor else None,
            "member_refs": [people[personal_id] for personal_id in group.students],
        }
        for group in presentation.groups
    ]
