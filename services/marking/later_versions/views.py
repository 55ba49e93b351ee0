"""What a tutor sees of the questions about own scripts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.marking.allocation.store import ruling_table, script_table
from services.marking.later_versions.store import question_table
from services.marking.tutors.store import assignment_table, person_table
from shared.errors import NotFound

PAGE = 100


@dataclass(frozen=True, kw_only=True)
class QuestionLine:
    """A question with both versions; `student` is None where marking is anonymous. `band` is of the later version."""

    position: int
    submission_id: str
    work_id: str
    assignment_id: str
    title: str
    student: str | None
    version: int
    arrived_at: datetime
    band: str
    earlier_version: int
    earlier_collected_at: datetime | None
    state: str
    closed_at: datetime | None


class QuestionViews:
    """Queries on a caller's connection. A question is put to the tutor who has the script."""

    def open_of(self, connection: sa.Connection, tutor_ref: str, *, after: int = 0) -> list[QuestionLine]:
        """A page of the open questions to the tutor, the oldest first, from the position after `after` on."""
        query = _lines(tutor_ref).where(question_table.c.state == "open", question_table.c.position > after)
        ordered = query.order_by(question_table.c.position).limit(PAGE)
        return [_line(row) for row in connection.execute(ordered)]

    def count(self, connection: sa.Connection, tutor_ref: str) -> int:
        """How many are open; looks at this tutor's scripts only."""
        joined = question_table.join(script_table, script_table.c.work_id == question_table.c.work_id)
        query = sa.select(sa.func.count()).select_from(joined)
        own = query.where(script_table.c.tutor_ref == tutor_ref, question_table.c.state == "open")
        return connection.execute(own).scalar_one()

    def question(self, connection: sa.Connection, submission_id: str, tutor_ref: str) -> QuestionLine:
        """Raises `NotFound` unless the script is this tutor's."""
        query = _lines(tutor_ref).where(question_table.c.submission_id == submission_id)
        row = connection.execute(query).one_or_none()
        if row is None:
            detail = "There is no such question to you."
            raise NotFound(detail)
        return _line(row)

    def states_of(self, connection: sa.Connection, work_id: str) -> dict[str, str]:
        """The state of each question about the work, by submission."""
        query = sa.select(question_table.c.submission_id, question_table.c.state)
        rows = connection.execute(query.where(question_table.c.work_id == work_id))
        return {row.submission_id: row.state for row in rows}


def _lines(tutor_ref: str) -> sa.Select[Any]:
    return (
        sa.select(
            question_table,
            script_table.c.assignment_id,
            ruling_table.c.arrived_at,
            ruling_table.c.band,
            assignment_table.c.title,
            assignment_table.c.anonymous,
            person_table.c.name,
        )
        .join(script_table, script_table.c.work_id == question_table.c.work_id)
        .join(ruling_table, ruling_table.c.submission_id == question_table.c.submission_id)
        .outerjoin(assignment_table, assignment_table.c.assignment_id == script_table.c.assignment_id)
        .outerjoin(person_table, person_table.c.person_ref == script_table.c.person_ref)
        .where(script_table.c.tutor_ref == tutor_ref)
    )


def _line(row: Any) -> QuestionLine:  # noqa: ANN401 - a row
    return QuestionLine(
        position=row.position,
        submission_id=row.submission_id,
        work_id=row.work_id,
        assignment_id=row.assignment_id,
        title=row.title or row.assignment_id,
        student=row.name if row.anonymous is False else None,
        version=row.version,
        arrived_at=row.arrived_at,
        band=row.band,
        earlier_version=row.earlier_version,
        earlier_collected_at=row.earlier_collected_at,
        state=row.state,
        closed_at=row.closed_at,
    )
