"""What a tutor sees: own scripts only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from services.marking.allocation.store import ruling_table, script_table
from services.marking.malware.domain import Check, check_of
from services.marking.scripts.domain import Turnaround
from services.marking.tutors.store import assignment_table, person_table
from shared.contracts import MEDIA_TYPES
from shared.errors import NotFound

PAGE = 200


@dataclass(frozen=True, kw_only=True)
class ScriptLine:
    """A script in a list; `student` is None where marking is anonymous.

    `due_back` is the last day to give it back; None while its assignment is unknown here.
    `check` is of the version that is to be marked; None where nothing is searched for malware.
    """

    work_id: str
    assignment_id: str
    title: str
    student: str | None
    state: str
    version: int
    state_since: datetime
    collected_at: datetime | None
    due_back: date | None
    check: Check | None

    @property
    def is_held_back(self) -> bool:
        """Whether it is to be collected, and cannot be now."""
        return self.state == "allocated" and self.check not in {None, Check.CLEAN}


@dataclass(frozen=True, kw_only=True)
class AssignmentLine:
    """Of an assignment, how many scripts a tutor has to collect and has collected.

    Cut-off and `due_back`, of scripts that came before it, are None while the assignment is unknown here.
    """

    assignment_id: str
    title: str
    to_collect: int
    collected: int
    cut_off_at: datetime | None
    due_back: date | None


@dataclass(frozen=True, kw_only=True)
class Content:
    """Where the bytes of the taken version are."""

    object_key: str
    object_version: str
    media_type: str
    size_bytes: int
    sha256: str
    file_name: str
    check: Check | None


class ScriptViews:
    """Queries on a caller's connection. `only_clean` is whether versions without an outcome count as being checked."""

    def __init__(self, *, only_clean: bool, turnaround: Turnaround) -> None:
        self.only_clean = only_clean
        self.turnaround = turnaround

    def of_tutor(
        self, connection: sa.Connection, tutor_ref: str, *, after: str = "", state: str | None = None
    ) -> list[ScriptLine]:
        """A page of the tutor's scripts in the order of assignment and id, from the place after `after` on."""
        place = sa.tuple_(script_table.c.assignment_id, script_table.c.work_id)
        query = self._lines().where(script_table.c.tutor_ref == tutor_ref)
        if after:
            assignment_id, _, work_id = after.rpartition("/")
            query = query.where(place > sa.tuple_(sa.literal(assignment_id), sa.literal(work_id)))
        if state is not None:
            query = query.where(script_table.c.state == state)
        ordered = query.order_by(script_table.c.assignment_id, script_table.c.work_id).limit(PAGE)
        return [self._line(row) for row in connection.execute(ordered)]

    def is_full(self, lines: Sequence[ScriptLine]) -> bool:
        """Whether a page is full, so that there may be another."""
        return len(lines) == PAGE

    def by_assignment(self, connection: sa.Connection, tutor_ref: str) -> list[AssignmentLine]:
        """The tutor's assignments, the first cut-off first; looks at this tutor's scripts only."""
        query = (
            sa.select(
                script_table.c.assignment_id,
                sa.func.count().label("all"),
                sa.func.sum(sa.case((script_table.c.state == "collected", 1), else_=0)).label("collected"),
                assignment_table.c.title,
                assignment_table.c.cut_off_at,
            )
            .outerjoin(assignment_table, assignment_table.c.assignment_id == script_table.c.assignment_id)
            .where(script_table.c.tutor_ref == tutor_ref)
            .group_by(script_table.c.assignment_id, assignment_table.c.title, assignment_table.c.cut_off_at)
            .order_by(assignment_table.c.cut_off_at, script_table.c.assignment_id)
        )
        return [self._assignment_line(row) for row in connection.execute(query).mappings()]

    def script(self, connection: sa.Connection, work_id: str, tutor_ref: str) -> ScriptLine:
        """Raises `NotFound` unless it is this tutor's."""
        query = self._lines().where(script_table.c.work_id == work_id, script_table.c.tutor_ref == tutor_ref)
        row = connection.execute(query).one_or_none()
        if row is None:
            detail = "There is no such script among yours."
            raise NotFound(detail)
        return self._line(row)

    def versions(self, connection: sa.Connection, work_id: str) -> list[Any]:
        """All versions with their ruling, the latest first."""
        query = sa.select(ruling_table).where(ruling_table.c.work_id == work_id)
        return list(connection.execute(query.order_by(ruling_table.c.version.desc())))

    def content(self, connection: sa.Connection, work_id: str, tutor_ref: str) -> Content:
        """The taken version's content; raises `NotFound` unless the script is this tutor's."""
        line = self.script(connection, work_id, tutor_ref)
        query = sa.select(ruling_table).where(ruling_table.c.work_id == work_id, ruling_table.c.version == line.version)
        row = connection.execute(query).one()
        return Content(
            object_key=row.object_key,
            object_version=row.object_version,
            media_type=row.media_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            file_name=f"{line.assignment_id}-{work_id[:8]}-v{line.version}{suffix_of(row.media_type)}",
            check=line.check,
        )

    def _lines(self) -> sa.Select[Any]:
        return (
            sa.select(
                script_table,
                assignment_table.c.title,
                assignment_table.c.anonymous,
                assignment_table.c.cut_off_at,
                person_table.c.name,
                ruling_table.c.scan_outcome,
                ruling_table.c.arrived_at,
            )
            .outerjoin(ruling_table, ruling_table.c.submission_id == script_table.c.taken_submission_id)
            .outerjoin(assignment_table, assignment_table.c.assignment_id == script_table.c.assignment_id)
            .outerjoin(person_table, person_table.c.person_ref == script_table.c.person_ref)
        )

    def _line(self, row: Any) -> ScriptLine:  # noqa: ANN401 - a row
        hidden = row.anonymous is not False
        return ScriptLine(
            work_id=row.work_id,
            assignment_id=row.assignment_id,
            title=row.title or row.assignment_id,
            student=None if hidden else row.name,
            state=row.state,
            version=row.taken_version,
            state_since=row.state_since,
            collected_at=row.collected_at,
            due_back=self.turnaround.due_back(row.cut_off_at, row.arrived_at) if row.cut_off_at else None,
            check=check_of(row.scan_outcome, only_clean=self.only_clean),
        )

    def _assignment_line(self, row: sa.RowMapping) -> AssignmentLine:
        return AssignmentLine(
            assignment_id=row["assignment_id"],
            title=row["title"] or row["assignment_id"],
            to_collect=row["all"] - row["collected"],
            collected=row["collected"],
            cut_off_at=row["cut_off_at"],
            due_back=self.turnaround.due_back(row["cut_off_at"]) if row["cut_off_at"] else None,
        )


_SUFFIXES: Final = {media_type: f".{name}" for name, media_type in MEDIA_TYPES.items()}


def suffix_of(media_type: str) -> str:
    """The end of the name under which a file of this type is downloaded, for example `.pdf`."""
    return _SUFFIXES.get(media_type, ".bin")
