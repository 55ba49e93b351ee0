"""Until when a student has time, with all that was agreed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from services.submission.catalogue.domain import Assignment
from services.submission.deadlines.domain import Deadline, OwnCutOff, cut_off_of
from services.submission.deadlines.store import own_cut_off_table
from shared.chunks import in_chunks

CHUNK = 500

Protected = Callable[[sa.Connection, Sequence[str]], Mapping[str, datetime]]
"""Of these works, until when an open request protects them."""


class Deadlines:
    """Queries on a caller's connection."""

    def __init__(self, protected: Protected) -> None:
        self.protected = protected

    def of(self, connection: sa.Connection, assignment: Assignment, work_id: str) -> Deadline:
        """The deadline of one work on this assignment."""
        return self.of_works(connection, {work_id: assignment})[work_id]

    def of_works(self, connection: sa.Connection, works: Mapping[str, Assignment]) -> Mapping[str, Deadline]:
        """The deadline of each work, by its assignment."""
        own = self.own(connection, list(works))
        protected = self.protected(connection, list(works))
        return {
            work_id: Deadline(cut_off=cut_off_of(assignment, own.get(work_id)), protected_until=protected.get(work_id))
            for work_id, assignment in works.items()
        }

    def own(self, connection: sa.Connection, work_ids: Sequence[str]) -> Mapping[str, OwnCutOff]:
        """The cut-off that was agreed last, of those works that have one."""
        columns = own_cut_off_table.c
        found: dict[str, OwnCutOff] = {}
        for chunk in in_chunks(work_ids, CHUNK):
            query = sa.select(columns.work_id, columns.cut_off_at, columns.grace_ends_at, columns.revision)
            for row in connection.execute(query.where(columns.work_id.in_(chunk)).order_by(columns.revision)):
                found[row.work_id] = OwnCutOff(
                    cut_off_at=row.cut_off_at, grace_ends_at=row.grace_ends_at, revision=row.revision
                )
        return found
