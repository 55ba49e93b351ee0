"""The rules of a version that came after collection: one question to the tutor, one answer. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from services.marking.allocation.domain import Decision, Script, ScriptState
from shared.contracts import LaterVersionDeclined, LaterVersionTaken, VersionNotTaken
from shared.errors import Conflict


class QuestionState(StrEnum):
    """How far a question is; all but `open` are final."""

    OPEN = "open"
    SUPERSEDED = "superseded"
    """A still later version came: the tutor is asked about that one."""
    TAKEN = "taken"
    KEPT = "kept"
    """The tutor keeps the earlier version."""


class Choice(StrEnum):
    """What the tutor can answer."""

    TAKE = "take"
    KEEP = "keep"


class QuestionAnswered(Conflict):
    """The other choice was made before, and a choice is final."""

    code = "question_answered"
    title = "You have answered this before"


class QuestionSuperseded(Conflict):
    """A still later version came before the answer, which must not be taken for an answer about that one."""

    code = "question_superseded"
    title = "A later version has come in"


class ScriptMoved(Conflict):
    """The script does not have the version any more that the tutor was asked to give up."""

    code = "script_moved"


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which version shall be marked, the one that came later or the earlier one that the tutor had collected.

    It is put to the tutor who has the script. `decided_by` is the tutor who answered.
    """

    submission_id: str
    work_id: str
    version: int
    earlier_submission_id: str
    earlier_version: int
    earlier_collected_at: datetime | None
    state: QuestionState
    opened_at: datetime
    closed_at: datetime | None = None
    decided_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The question as it is afterwards, and what becomes of the script."""

    question: Question
    decision: Decision


def ask(not_taken: VersionNotTaken, script: Script, asked: Iterable[Question], *, now: datetime) -> list[Question]:
    """The question about a version, and before it the one that it supersedes: only the latest version is open.

    `asked` are the questions about this work so far. A version that is older than one of theirs, or than the one that
    is to be marked, is superseded at once.
    """
    asked = list(asked)
    is_latest = not_taken.version > max((script.taken_version, *(each.version for each in asked)))
    question = Question(
        submission_id=not_taken.submission_id,
        work_id=not_taken.work_id,
        version=not_taken.version,
        earlier_submission_id=script.taken_submission_id,
        earlier_version=script.taken_version,
        earlier_collected_at=script.collected_at,
        state=QuestionState.OPEN,
        opened_at=now,
    )
    if not is_latest:
        return [_superseded(question, now=now)]
    return [*(_superseded(each, now=now) for each in asked if each.state is QuestionState.OPEN), question]


def answer(question: Question, script: Script, choice: Choice, tutor_ref: str, *, now: datetime) -> Answer:
    """Make the choice; made before, it changes nothing.

    Raises `QuestionAnswered` after the other choice, `QuestionSuperseded` when another version is asked about by now,
    and `ScriptMoved` when the script has no longer what the question names.
    """
    if question.state is _ENDS[choice]:
        return Answer(question=question, decision=Decision(script=script, facts=()))
    _check_open(question)
    closed = replace(question, state=_ENDS[choice], closed_at=now, decided_by=tutor_ref)
    decide = _take if choice is Choice.TAKE else _keep
    return Answer(question=closed, decision=decide(closed, script, tutor_ref, now=now))


_ENDS = {Choice.TAKE: QuestionState.TAKEN, Choice.KEEP: QuestionState.KEPT}


def _superseded(question: Question, *, now: datetime) -> Question:
    return replace(question, state=QuestionState.SUPERSEDED, closed_at=now)


def _check_open(question: Question) -> None:
    if question.state is QuestionState.SUPERSEDED:
        raise QuestionSuperseded(
            f"The student has handed in again after version {question.version}, and you are asked about that later "
            "version instead. Nothing was changed: go back to your scripts to see it."
        )
    if question.state is not QuestionState.OPEN:
        taken = question.state is QuestionState.TAKEN
        made = f"take version {question.version}" if taken else f"keep version {question.earlier_version}"
        raise QuestionAnswered(f"You chose to {made}. That is final, and nothing was changed now.")


def _take(question: Question, script: Script, tutor_ref: str, *, now: datetime) -> Decision:
    """The later version takes the earlier one's place, to be collected; until it is, a still later one replaces it."""
    if (script.state, script.taken_submission_id) != (ScriptState.COLLECTED, question.earlier_submission_id):
        raise ScriptMoved(
            f"Version {question.earlier_version} is not the one that you have any more. Nothing was changed: "
            "go back to your scripts to see how this one stands."
        )
    newer = replace(
        script,
        state=ScriptState.ALLOCATED,
        state_since=now,
        taken_submission_id=question.submission_id,
        taken_version=question.version,
    )
    return Decision(script=newer, facts=(_said(LaterVersionTaken, question, script, tutor_ref, now=now),))


def _keep(question: Question, script: Script, tutor_ref: str, *, now: datetime) -> Decision:
    return Decision(script=script, facts=(_said(LaterVersionDeclined, question, script, tutor_ref, now=now),))


F = TypeVar("F", LaterVersionTaken, LaterVersionDeclined)


def _said(kind: type[F], question: Question, script: Script, tutor_ref: str, *, now: datetime) -> F:
    return kind(
        work_id=question.work_id,
        submission_id=question.submission_id,
        version=question.version,
        earlier_submission_id=question.earlier_submission_id,
        earlier_version=question.earlier_version,
        assignment_id=script.assignment_id,
        person_ref=script.person_ref,
        tutor_ref=tutor_ref,
        decided_at=now,
    )
