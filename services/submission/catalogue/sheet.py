"""The lines of a file of enrolments in a private temporary database: questions about all of them need no memory.

SQLite keeps it in a file without a name, which the operating system removes with the process, however that ends: no
names stay behind. Its cache is `CACHE_KIBIBYTES`, whatever the number of lines.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa

from services.submission.catalogue.enrolments import Placement
from services.submission.catalogue.enrolments_csv import EnrolmentLine
from services.submission.catalogue.reader import Mistake
from shared.chunks import in_chunks
from shared.errors import StorageFull

CACHE_KIBIBYTES: Final = 16 * 1024
MOST_MEMBERS: Final = 5_000
"""How many students of one group a file may name: a group is one fact, and a fact has a largest size."""

_metadata = sa.MetaData()

_line = sa.Table(
    "line",
    _metadata,
    sa.Column("line", sa.Integer, primary_key=True),
    sa.Column("presentation_id", sa.Text),
    sa.Column("personal_id", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("group_number", sa.Text),
    sa.Column("tutor", sa.Text),
    sa.Index("line_of_student", "personal_id", "presentation_id"),
    sa.Index("line_of_group", "presentation_id", "group_number"),
)

_ref = sa.Table("ref", _metadata, sa.Column("identifier", sa.Text, primary_key=True), sa.Column("ref", sa.Text))


@dataclass(frozen=True, kw_only=True)
class Mention:
    """Something that lines name: how many do, and the first of them."""

    what: str
    line: int
    times: int


@dataclass(frozen=True, kw_only=True)
class StudentMention:
    """A student as the lines describe them together; None: no line says it."""

    personal_id: str
    line: int
    name: str | None
    email: str | None


class Sheet:
    """Filled once, then asked."""

    def __init__(self) -> None:
        self._engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(""), poolclass=sa.pool.StaticPool)
        self._connection = self._engine.connect()
        self._connection.exec_driver_sql("PRAGMA journal_mode=OFF")
        self._connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}")
        _metadata.create_all(self._connection)

    def close(self) -> None:
        self._connection.commit()  # without a journal there is no way back, which closing would try
        self._connection.close()
        self._engine.dispose()

    def fill(self, lines: Iterable[EnrolmentLine], *, step: int) -> Iterator[int]:
        """Write the lines; yields how many after each step of them. Raises `StorageFull`."""
        for chunk in in_chunks(lines, step):
            try:
                self._connection.execute(sa.insert(_line), [line._asdict() for line in chunk])
            except sa.exc.OperationalError as error:
                detail = "The folder of temporary files is full; set TMPDIR to another one. Nothing was changed."
                raise StorageFull(detail) from error
            yield len(chunk)

    def contradictions(self) -> Iterator[Mistake]:
        """What lines say differently of one thing, each with the line that said it first."""
        student, group = (_line.c.personal_id,), (_line.c.presentation_id, _line.c.group_number)
        for row, first in self._differing((_line.c.presentation_id, _line.c.personal_id), _line.c.line):
            message = f"{row.personal_id} is on {row.presentation_id} in line {first} already"
            yield Mistake(line=row.line, field="personal_id", message=message)
        for column in (_line.c.name, _line.c.email):
            for row, first in self._differing(student, column):
                message = f"is another one than {row.personal_id} has in line {first}"
                yield Mistake(line=row.line, field=column.name, message=message)
        for row, first in self._differing(group, _line.c.tutor):
            message = f"{row.tutor} is another one than {row.presentation_id}-{row.group_number} has in line {first}"
            yield Mistake(line=row.line, field="tutor", message=message)

    def crowds(self) -> Iterator[Mistake]:
        """Groups that are too large."""
        size = sa.func.count()
        query = (
            sa.select(_line.c.presentation_id, _line.c.group_number, sa.func.min(_line.c.line), size)
            .where(_line.c.presentation_id.is_not(None), _line.c.group_number.is_not(None))
            .group_by(_line.c.presentation_id, _line.c.group_number)
            .having(size > MOST_MEMBERS)
        )
        for presentation_id, number, line, members in self._connection.execute(query):
            message = f"{presentation_id}-{number} gets {members:,} students; {MOST_MEMBERS:,} are the most"
            yield Mistake(line=line, field="group", message=message)

    def presentations(self) -> list[Mention]:
        return self._mentions(_line.c.presentation_id)

    def tutors(self) -> list[Mention]:
        """The staff numbers."""
        return self._mentions(_line.c.tutor)

    def students(self) -> Iterator[StudentMention]:
        """Every student once, by personal id."""
        query = (
            sa.select(
                _line.c.personal_id,
                sa.func.min(_line.c.line).label("line"),
                sa.func.max(_line.c.name).label("name"),
                sa.func.max(_line.c.email).label("email"),
            )
            .where(_line.c.personal_id.is_not(None))
            .group_by(_line.c.personal_id)
            .order_by(_line.c.personal_id)
        )
        for row in self._connection.execute(query).mappings():
            yield StudentMention(**row)

    def keep_refs(self, refs: Mapping[str, str]) -> None:
        """Remember who the students and the staff are; wanted before `tutorships` and `placements` are asked for."""
        if refs:
            rows = [{"identifier": identifier, "ref": ref} for identifier, ref in refs.items()]
            self._connection.execute(sa.insert(_ref), rows)

    def tutorships(self) -> Iterator[tuple[str, str]]:
        """Every presentation with each of its tutors, as (presentation_id, person_ref)."""
        query = (
            sa.select(_line.c.presentation_id, _ref.c.ref)
            .join(_ref, _ref.c.identifier == _line.c.tutor)
            .distinct()
            .order_by(_line.c.presentation_id, _ref.c.ref)
        )
        for row in self._connection.execute(query):
            yield row.presentation_id, row.ref

    def placements(self, *, step: int) -> Iterator[list[Placement]]:
        """All lines in steps of about so many, presentation by presentation; no group is cut in two."""
        chosen: list[Placement] = []
        for _, members in groupby(self._placements(), key=lambda each: each.group_id or each.person_ref):
            chosen += members
            if len(chosen) >= step:
                yield chosen
                chosen = []
        if chosen:
            yield chosen

    def _placements(self) -> Iterator[Placement]:
        student, tutor = _ref.alias(), _ref.alias()
        query = (
            sa.select(
                _line.c.presentation_id,
                _line.c.status,
                student.c.ref.label("person_ref"),
                (_line.c.presentation_id + "-" + _line.c.group_number).label("group_id"),
                tutor.c.ref.label("tutor_ref"),
            )
            # An inner join would let SQLite begin with the persons and sort the lines afterwards.
            .outerjoin(student, student.c.identifier == _line.c.personal_id)
            .outerjoin(tutor, tutor.c.identifier == _line.c.tutor)
            .order_by(_line.c.presentation_id, _line.c.group_number, _line.c.line)
        )
        for row in self._connection.execute(query).mappings():
            yield Placement(**row)

    def _differing(self, keys: Sequence[sa.Column[Any]], column: sa.Column[Any]) -> Iterator[tuple[sa.Row[Any], int]]:
        """The lines whose `column` is not as in the first line with the same `keys`, and that line."""
        window: dict[str, Any] = {"partition_by": keys, "order_by": _line.c.line}
        named = (
            sa.select(
                _line,
                sa.func.first_value(column).over(**window).label("first"),
                sa.func.first_value(_line.c.line).over(**window).label("first_line"),
            )
            .where(*(each.is_not(None) for each in (*keys, column)))
            .subquery()
        )
        for row in self._connection.execute(sa.select(named).where(named.c[column.name] != named.c.first)):
            yield row, row.first_line

    def _mentions(self, column: sa.Column[str | None]) -> list[Mention]:
        query = (
            sa.select(column, sa.func.min(_line.c.line), sa.func.count())
            .where(column.is_not(None))
            .group_by(column)
            .order_by(column)
        )
        return [Mention(what=what, line=line, times=times) for what, line, times in self._connection.execute(query)]
