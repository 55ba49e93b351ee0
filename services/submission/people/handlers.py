"""Keeps how people are called."""

from __future__ import annotations

from collections.abc import Sequence

from services.submission.people.store import person_table
from shared.contracts import PersonRecorded
from shared.database import Transaction
from shared.messaging.consumer import HandlerTable
from shared.persons import still_known
from shared.projections import newest


class Names:
    """A projection by revision; an older fact changes nothing."""

    def table(self) -> HandlerTable:
        return {PersonRecorded: self.record}

    def record(self, recorded: Sequence[PersonRecorded], tx: Transaction) -> None:
        names = {column.name for column in person_table.c}
        newest(person_table, [fact.model_dump(include=names) for fact in still_known(recorded, tx)], tx)
