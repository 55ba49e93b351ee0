"""What marking keeps about a person: their name, their group, their scripts and those that they mark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.marking.allocation.store import ruling_table, script_table
from services.marking.later_versions.store import question_table
from services.marking.tutors.store import assignment_table, member_table, person_table
from shared.database import Transaction
from shared.persons import Keeps


class MarkingKeeps(Keeps):
    """See `shared.persons.Keeps`. A script that nobody has collected is held until `kept` after its cut-off."""

    def __init__(self, *, kept: timedelta) -> None:
        self.kept = kept

    def queries(self, person_ref: str) -> Mapping[str, sa.Select[Any]]:
        works = sa.select(script_table.c.work_id).where(script_table.c.person_ref == person_ref)
        of_script = (script_table.c.work_id, script_table.c.assignment_id, script_table.c.state)
        return {
            "person": sa.select(person_table).where(person_table.c.person_ref == person_ref),
            "memberships": sa.select(member_table).where(member_table.c.person_ref == person_ref),
            "scripts": sa.select(script_table).where(script_table.c.person_ref == person_ref),
            "rulings": sa.select(ruling_table).where(ruling_table.c.work_id.in_(works)),
            "questions": sa.select(question_table).where(question_table.c.work_id.in_(works)),
            "scripts_to_mark": sa.select(*of_script).where(script_table.c.tutor_ref == person_ref),
        }

    def holds(self, person_ref: str, connection: sa.Connection, *, now: datetime) -> Iterator[str]:
        theirs = sa.or_(script_table.c.person_ref == person_ref, script_table.c.tutor_ref == person_ref)
        of_work = question_table.c.work_id == script_table.c.work_id
        asked = sa.select(sa.func.count()).select_from(question_table).join(script_table, of_work)
        if connection.scalar(asked.where(theirs, question_table.c.state == "open")):
            yield "a tutor is asked which version to mark, and has not answered"
        of_assignment = assignment_table.c.assignment_id == script_table.c.assignment_id
        waiting = sa.select(sa.func.max(assignment_table.c.cut_off_at)).join(script_table, of_assignment)
        last = connection.scalar(waiting.where(theirs, script_table.c.state != "collected"))
        if last is not None and last + self.kept > now:
            yield f"a script was not collected, and is held until {last + self.kept:%Y-%m-%d}"

    def forget(self, person_refs: Sequence[str], tx: Transaction) -> None:
        tx.connection.execute(sa.delete(person_table).where(person_table.c.person_ref.in_(person_refs)))
