"""Keeps what a tutor's pages show of assignments and people."""

from __future__ import annotations

from collections.abc import Sequence

from services.marking.tutors.store import assignment_table, person_table
from shared.contracts import AssignmentDefined, PersonRecorded
from shared.database import Transaction
from shared.messaging.consumer import HandlerTable
from shared.persons import still_known
from shared.projections import newest


class Directory:
    """Projections by revision; an older fact changes nothing."""

    def table(self) -> HandlerTable:
        return {AssignmentDefined: self.assignments, PersonRecorded: self.people}

    def assignments(self, defined: Sequence[AssignmentDefined], tx: Transaction) -> None:
        names = {column.name for column in assignment_table.c}
        newest(assignment_table, [fact.model_dump(include=names) for fact in defined], tx)

    def people(self, recorded: Sequence[PersonRecorded], tx: Transaction) -> None:
        names = {column.name for column in person_table.c}
        newest(person_table, [fact.model_dump(include=names) for fact in still_known(recorded, tx)], tx)
