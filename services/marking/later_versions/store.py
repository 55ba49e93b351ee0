"""The questions to tutors about versions that came after collection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

import sqlalchemy as sa

from services.marking.later_versions.domain import Question, QuestionState
from services.marking.tables import metadata
from shared.chunks import in_chunks
from shared.columns import UtcDateTime
from shared.database import Transaction, upsert

CHUNK = 500

question_table = sa.Table(
    "version_question",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("submission_id", sa.Text, nullable=False, unique=True),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("earlier_submission_id", sa.Text, nullable=False),
    sa.Column("earlier_version", sa.Integer, nullable=False),
    sa.Column("earlier_collected_at", UtcDateTime),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("decided_by", sa.Text),
    sa.UniqueConstraint("work_id", "version", name="question_of_version"),
    sa.CheckConstraint("state IN ('open','superseded','taken','kept')", name="question_state"),
    sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="question_closed"),
    sa.CheckConstraint("(state IN ('taken','kept')) = (decided_by IS NOT NULL)", name="question_decided"),
    sa.CheckConstraint("state = 'superseded' OR version > earlier_version", name="question_about_later"),
    sqlite_autoincrement=True,
)

_is_open = sa.text("state = 'open'")
sa.Index(
    "question_open_of_work", question_table.c.work_id, unique=True, sqlite_where=_is_open, postgresql_where=_is_open
)

_COLUMNS = [field.name for field in fields(Question)]
_CHANGES = ("state", "closed_at", "decided_by")


class QuestionStore:
    """Bulk reads and writes inside the caller's transaction."""

    def of_works(self, work_ids: Sequence[str], tx: Transaction) -> Mapping[str, Sequence[Question]]:
        """All questions about each of the works."""
        found: defaultdict[str, list[Question]] = defaultdict(list)
        for chunk in in_chunks(work_ids, CHUNK):
            query = sa.select(question_table).where(question_table.c.work_id.in_(chunk))
            for row in tx.connection.execute(query).mappings():
                found[row["work_id"]].append(_question(row))
        return found

    def of_submission(self, submission_id: str, tx: Transaction) -> Question | None:
        """The question about this version, if there is one."""
        query = sa.select(question_table).where(question_table.c.submission_id == submission_id)
        row = tx.connection.execute(query).mappings().one_or_none()
        return _question(row) if row else None

    def save_all(self, questions: Iterable[Question], tx: Transaction) -> None:
        """Insert or close; what closes goes first, because a work has one open question at a time."""
        questions = list(questions)
        statement = upsert(question_table, key=["submission_id"], update=_CHANGES)
        tx.write(statement, [_row(each) for each in questions if each.state is not QuestionState.OPEN])
        tx.write(statement, [_row(each) for each in questions if each.state is QuestionState.OPEN])


def _question(row: sa.RowMapping) -> Question:
    return Question(**{name: row[name] for name in _COLUMNS} | {"state": QuestionState(row["state"])})


def _row(question: Question) -> dict[str, object]:
    return {name: getattr(question, name) for name in _COLUMNS} | {"state": str(question.state)}
