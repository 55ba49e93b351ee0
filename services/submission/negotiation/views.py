"""What each side sees of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from services.submission.catalogue.store import assignment_table
from services.submission.negotiation.domain import (
    Caller,
    Move,
    Reason,
    Request,
    State,
    day_before,
    is_partys,
    possible,
    side_of,
)
from services.submission.negotiation.store import request_of, request_table, word_table
from services.submission.people.store import person_table
from shared.chunks import in_chunks
from shared.contracts import Party
from shared.errors import NotFound
from shared.web.scopes import EVERYTHING

PAGE = 100
OPEN_FIRST = 10**12
"""More than any position: what is open comes before what has ended."""
CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class WordLine:
    """A step of a conversation; `name` is how who took it is called, None when nobody did or nobody knows.

    `is_own` is whether it was the caller, `erased_at` when its words were deleted.
    """

    said: str
    by: Party | None
    is_own: bool
    name: str | None
    cut_off_at: datetime | None
    words: str
    said_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RequestLine:
    """A request as one side sees it; `moves` is what this side may do now.

    `student` is the student's name, None while nobody knows it, and for a tutor where marking is anonymous;
    `answer_day` the last day to answer; `place` where it stands in a list.
    """

    place: int
    request_id: str
    work_id: str
    assignment_id: str
    title: str
    student: str | None
    reason: Reason
    state: State
    turn: Party
    revision: int
    base_cut_off_at: datetime
    cut_off_at: datetime
    proposed_at: datetime
    changed_at: datetime
    answer_day: date
    is_escalated: bool
    moves: Sequence[Move]
    words: Sequence[WordLine] = ()


class RequestViews:
    """Queries on a caller's connection."""

    def protected(self, connection: sa.Connection, work_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Until when an open request protects each of these works that has one."""
        columns = request_table.c
        found: dict[str, datetime] = {}
        for chunk in in_chunks(work_ids, CHUNK):
            query = sa.select(columns.work_id, columns.protected_until)
            rows = connection.execute(query.where(columns.work_id.in_(chunk), columns.closed_at.is_(None)))
            found |= {row.work_id: row.protected_until for row in rows}
        return found

    def list_of(self, connection: sa.Connection, caller: Caller, *, after: int | None = None) -> list[RequestLine]:
        """A page of the caller's requests behind the place `after`: the open ones first, the latest of each first.

        A student's own, those of a tutor's groups, and of support those that are escalated and open in its scopes.
        """
        query = _requests(caller).where(_place() < after) if after else _requests(caller)
        rows = connection.execute(query.order_by(_place().desc()).limit(PAGE)).mappings()
        return [_line(row, caller) for row in rows]

    def request(self, connection: sa.Connection, request_id: str, caller: Caller) -> RequestLine:
        """The whole conversation; raises `NotFound` unless the request is the caller's."""
        row = connection.execute(_lines().where(request_table.c.request_id == request_id)).mappings().one_or_none()
        if row is None or not is_partys(request_of(row), caller):
            raise NotFound("There is no such request of yours.")
        return _line(row, caller, _words(connection, request_id, caller, hidden=_hidden(row, caller)))

    def of_work(self, connection: sa.Connection, work_id: str, caller: Caller) -> RequestLine | None:
        """The latest request about a work, if there is one."""
        query = _lines().where(request_table.c.work_id == work_id).order_by(request_table.c.position.desc())
        row = connection.execute(query.limit(1)).mappings().one_or_none()
        return _line(row, caller) if row else None


def _requests(caller: Caller) -> sa.Select[Any]:
    columns = request_table.c
    side = side_of(caller)
    if side is Party.STUDENT:
        return _lines().where(columns.person_ref == caller.person_ref)
    if side is Party.TUTOR:
        return _lines().where(columns.tutor_ref == caller.person_ref)
    waiting = _lines().where(columns.closed_at.is_(None), columns.escalated_at.is_not(None))
    if EVERYTHING in caller.scopes:
        return waiting
    scope = "presentation:" + columns.presentation_id
    return waiting.where(sa.or_(scope.in_(caller.scopes), ("person:" + columns.person_ref).in_(caller.scopes)))


def _place() -> sa.ColumnElement[int]:
    is_open = sa.case((request_table.c.closed_at.is_(None), OPEN_FIRST), else_=0)
    return request_table.c.position + sa.cast(is_open, sa.BigInteger)


def _hidden(row: sa.RowMapping, caller: Caller) -> bool:
    """Whether this side must not know who the student is."""
    return bool(row["anonymous"]) and side_of(caller) is Party.TUTOR


def _lines() -> sa.Select[Any]:
    return (
        sa.select(
            request_table,
            _place().label("place"),
            assignment_table.c.title,
            assignment_table.c.anonymous,
            assignment_table.c.cut_off_at.label("base_cut_off_at"),
            person_table.c.name,
        )
        .join(assignment_table, assignment_table.c.assignment_id == request_table.c.assignment_id)
        .outerjoin(person_table, person_table.c.person_ref == request_table.c.person_ref)
    )


def _line(row: sa.RowMapping, caller: Caller, words: Sequence[WordLine] = ()) -> RequestLine:
    request: Request = request_of(row)
    return RequestLine(
        place=row["place"],
        request_id=request.request_id,
        work_id=request.work_id,
        assignment_id=request.assignment_id,
        title=row["title"],
        student=None if _hidden(row, caller) else row["name"],
        reason=request.reason,
        state=request.state,
        turn=request.turn,
        revision=request.revision,
        base_cut_off_at=row["base_cut_off_at"],
        cut_off_at=request.cut_off_at,
        proposed_at=request.proposed_at,
        changed_at=request.changed_at,
        answer_day=day_before(request.answer_by),
        is_escalated=request.is_escalated,
        moves=possible(request, side_of(caller)),
        words=words,
    )


def _words(connection: sa.Connection, request_id: str, caller: Caller, *, hidden: bool) -> list[WordLine]:
    """Without the student's name where that is hidden."""
    query = (
        sa.select(word_table, person_table.c.name)
        .outerjoin(person_table, person_table.c.person_ref == word_table.c.by_ref)
        .where(word_table.c.request_id == request_id)
        .order_by(word_table.c.position)
    )
    return [
        WordLine(
            said=row.said,
            by=Party(row.by) if row.by else None,
            is_own=row.by_ref == caller.person_ref,
            name=None if hidden and row.by == str(Party.STUDENT) else row.name,
            cut_off_at=row.cut_off_at,
            words=row.words,
            said_at=row.said_at,
            erased_at=row.erased_at,
        )
        for row in connection.execute(query)
    ]
