"""Requests, and every word that was said in them: in order, never edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa

from services.submission.catalogue.domain import noon_of
from services.submission.negotiation.domain import Answer, Move, Reason, Request, State
from services.submission.tables import metadata
from shared.columns import UtcDateTime
from shared.contracts import Party, RequestKind
from shared.database import Transaction, insertion, upsert

request_table = sa.Table(
    "request",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("request_id", sa.Text, nullable=False, unique=True),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, sa.CheckConstraint("kind IN ('more_time')"), nullable=False),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False, index=True),
    sa.Column("tutor_ref", sa.Text, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("turn", sa.Text, sa.CheckConstraint("turn IN ('student','tutor')"), nullable=False),
    sa.Column("revision", sa.Integer, sa.CheckConstraint("revision >= 1"), nullable=False),
    sa.Column("cut_off_at", UtcDateTime, nullable=False),
    sa.Column("protected_until", UtcDateTime, nullable=False),
    sa.Column("answer_by", UtcDateTime, nullable=False),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("escalated_at", UtcDateTime),
    sa.Column("closed_at", UtcDateTime),
    sa.CheckConstraint(
        "state IN ('proposed','countered','agreed','declined','withdrawn','lapsed')", name="request_state"
    ),
    sa.CheckConstraint("(state IN ('proposed','countered')) = (closed_at IS NULL)", name="request_closed"),
    sqlite_autoincrement=True,
)

_is_open = sa.text("closed_at IS NULL")
sa.Index(
    "request_open_of_work",
    request_table.c.work_id,
    request_table.c.kind,
    unique=True,
    sqlite_where=_is_open,
    postgresql_where=_is_open,
)
sa.Index(
    "request_open_of_presentation",
    request_table.c.presentation_id,
    sqlite_where=_is_open,
    postgresql_where=_is_open,
)

word_table = sa.Table(
    "request_word",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("request_id", sa.Text, nullable=False, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("by", sa.Text),
    sa.Column("by_ref", sa.Text),
    sa.Column("cut_off_at", UtcDateTime),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("said_at", UtcDateTime, nullable=False),
    sa.Column("erased_at", UtcDateTime),
    sqlite_autoincrement=True,
)

_COLUMNS = [field.name for field in fields(Request)]
_CHANGES = (
    "tutor_ref",
    "state",
    "turn",
    "revision",
    "cut_off_at",
    "protected_until",
    "answer_by",
    "changed_at",
    "escalated_at",
    "closed_at",
)


@dataclass(frozen=True, kw_only=True)
class Word:
    """A step of a request: what was done (`said`), by whom if by anybody, with which words and which new day."""

    request_id: str
    revision: int
    said: str
    by: Party | None = None
    by_ref: str | None = None
    cut_off_at: datetime | None = None
    words: str = ""
    said_at: datetime


class RequestStore:
    """Reads and writes inside the caller's transaction."""

    def of_id(self, request_id: str, tx: Transaction) -> Request | None:
        query = sa.select(request_table).where(request_table.c.request_id == request_id)
        row = tx.connection.execute(query).mappings().one_or_none()
        return request_of(row) if row else None

    def open_of_work(self, work_id: str, kind: RequestKind, tx: Transaction) -> Request | None:
        """The open request of this kind for the work; there is one at the most."""
        query = sa.select(request_table).where(
            request_table.c.work_id == work_id, request_table.c.kind == str(kind), _is_open
        )
        row = tx.connection.execute(query).mappings().one_or_none()
        return request_of(row) if row else None

    def number_of_work(self, work_id: str, tx: Transaction) -> int:
        """How many requests there were for a work."""
        query = sa.select(sa.func.count()).where(request_table.c.work_id == work_id)
        return int(tx.connection.execute(query).scalar_one())

    def with_open(self, presentation_ids: Sequence[str], tx: Transaction) -> Sequence[str]:
        """Those of these presentations in which something is open."""
        column = request_table.c.presentation_id
        query = sa.select(column).distinct().where(column.in_(presentation_ids), _is_open)
        return list(tx.connection.execute(query).scalars())

    def open_of_presentation(self, presentation_id: str, tx: Transaction) -> Sequence[Request]:
        """All that are open in a presentation."""
        query = sa.select(request_table).where(request_table.c.presentation_id == presentation_id, _is_open)
        return [request_of(row) for row in tx.connection.execute(query).mappings()]

    def was_said(self, request: Request, answer: Answer, party: Party, words: str, tx: Transaction) -> bool:
        """Whether the last thing that was said in it is just this: the same button, pressed twice."""
        query = sa.select(word_table).where(word_table.c.request_id == request.request_id)
        last = tx.connection.execute(query.order_by(word_table.c.position.desc()).limit(1)).one()
        day = noon_of(answer.day) if answer.day and answer.move is Move.COUNTER else None
        on_table = answer.revision + (1 if answer.move is Move.COUNTER else 0)
        said = (last.said, last.by, last.revision, last.words, last.cut_off_at)
        return said == (str(answer.move), str(party), on_table, words, day)

    def save(self, request: Request, tx: Transaction) -> None:
        """Insert or move on."""
        row = {name: getattr(request, name) for name in _COLUMNS}
        words = {name: str(row[name]) for name in ("kind", "reason", "state", "turn")}
        tx.write(upsert(request_table, key=["request_id"], update=_CHANGES), [row | words])

    def add_word(self, word: Word, tx: Transaction) -> None:
        """Keep what was said."""
        row = {field.name: getattr(word, field.name) for field in fields(Word)}
        tx.write(insertion(word_table), [row | {"by": word.by and str(word.by)}])


def forget_words(person_refs: Sequence[str], tx: Transaction) -> None:
    """Delete the words and reasons of these people's requests, and what they said in others'.

    When that was is noted: a tombstone stays.
    """
    own = sa.select(request_table.c.request_id).where(request_table.c.person_ref.in_(person_refs))
    theirs = sa.or_(word_table.c.request_id.in_(own), word_table.c.by_ref.in_(person_refs))
    tx.connection.execute(
        sa.update(word_table).where(theirs, word_table.c.words != "").values(words="", erased_at=tx.now)
    )
    of_them = request_table.c.person_ref.in_(person_refs)
    tx.connection.execute(sa.update(request_table).where(of_them).values(reason=str(Reason.OTHER)))


def request_of(row: sa.RowMapping) -> Request:
    """A request as it is stored."""
    typed = {
        "kind": RequestKind(row["kind"]),
        "reason": Reason(row["reason"]),
        "state": State(row["state"]),
        "turn": Party(row["turn"]),
    }
    return Request(**{name: row[name] for name in _COLUMNS} | typed)
