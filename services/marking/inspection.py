"""What marking tells operations.

Kinds `rulings`, `scripts` and `questions` (each with the tutor who has the script), what it knows of others as
`assignments`, `groups` (with their members) and `persons` (references only), and `outbox` and `counters`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from services.marking.allocation.store import ruling_table, script_table
from services.marking.later_versions.store import question_table
from services.marking.tutors.store import assignment_table, group_table, member_table, person_table
from shared.database import Database
from shared.inspection import MESSAGING_KINDS, PAGE, check_kind, counted, messaging_status, number_of, numbered_row
from shared.messaging.bus import LogEnds


class MarkingInspection:
    """See `shared.inspection.Inspection`."""

    def __init__(self, database: Database, log: LogEnds) -> None:
        self.database = database
        self.log = log

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        check_kind(kind, (*_QUERIES, *MESSAGING_KINDS))
        if kind in MESSAGING_KINDS:
            return MESSAGING_KINDS[kind](self.database, after=after, limit=limit)
        with self.database.reading() as connection:
            rows = [numbered_row(row) for row in connection.execute(_QUERIES[kind](after).limit(limit)).mappings()]
            return _with_members(rows, connection) if kind == "groups" else rows

    def status(self) -> dict[str, object]:
        """The questions that wait for tutors, and how the messages flow; where scripts are, the pipeline says."""
        with self.database.reading() as connection:
            waiting = counted(connection, question_table, sa.literal_column("state = 'open'"))
        return {"questions": {"open": waiting} if waiting else {}, **messaging_status(self.database, self.log)}


def _rulings(after: str) -> sa.Select[Any]:
    return sa.select(ruling_table).where(ruling_table.c.position > number_of(after)).order_by(ruling_table.c.position)


def _questions(after: str) -> sa.Select[Any]:
    asked = sa.select(question_table, script_table.c.tutor_ref)
    joined = asked.outerjoin(script_table, script_table.c.work_id == question_table.c.work_id)
    return joined.where(question_table.c.position > number_of(after)).order_by(question_table.c.position)


def _keyed(key: sa.Column[Any], *columns: sa.Column[Any] | sa.Table) -> Callable[[str], sa.Select[Any]]:
    return lambda after: sa.select(*columns, key.label("position")).where(key > after).order_by(key)


_QUERIES: Mapping[str, Callable[[str], sa.Select[Any]]] = {
    "rulings": _rulings,
    "questions": _questions,
    "scripts": _keyed(script_table.c.work_id, script_table),
    "assignments": _keyed(assignment_table.c.assignment_id, assignment_table),
    "groups": _keyed(group_table.c.group_id, group_table),
    "persons": _keyed(person_table.c.person_ref, person_table.c.person_ref, person_table.c.revision),
}


def _with_members(groups: list[dict[str, object]], connection: sa.Connection) -> list[dict[str, object]]:
    """Give each group of a page its members, in order."""
    if not groups:
        return []
    first, last = groups[0]["group_id"], groups[-1]["group_id"]
    within = sa.select(member_table).where(member_table.c.group_id.between(first, last))
    members = defaultdict(list)
    for row in connection.execute(within.order_by(member_table.c.group_id, member_table.c.person_ref)):
        members[row.group_id].append(row.person_ref)
    return [{**group, "member_refs": members[group["group_id"]]} for group in groups]
