"""What tutors are asked: one question for each version that came after collection, and one answer, as announced."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.operations.reconciliation.domain.model import Code, Fact, Script, Settling, VersionQuestion, Violation

OPEN, SUPERSEDED = "open", "superseded"
ANSWERS = {"taken": "LaterVersionTaken", "kept": "LaterVersionDeclined"}
"""The states of questions that are answered, and the facts that say so."""

SEEN = {"taken": "taken", "kept": "declined"}
"""The same states, as submission shows them to the student."""


def check_questions(
    questions: Sequence[VersionQuestion], not_taken: Iterable[Fact], scripts: Iterable[Script], settling: Settling
) -> Iterator[Violation]:
    """Each version that came after collection was asked about, the latest of a work alone is open, and it can be taken.

    `not_taken` are the facts; scripts and then questions were read after them.
    """
    asked = {question.submission_id: question for question in questions}
    said = {fact.submission_id or "": fact for fact in not_taken if fact.reason == "collected"}
    for submission_id, fact in said.items():
        if submission_id not in asked and not settling.in_flight(fact.recorded_at):
            ids = {"submission_id": submission_id, "work_id": fact.work_id}
            detail = "this version came after collection, and nobody is asked about it"
            yield Violation(code=Code.QUESTION_MISSING, ids=ids, detail=detail)
    yield from _asked_wrongly(questions, said, {script.work_id: script for script in scripts}, settling)
    yield from _open_twice(questions, settling)


def _asked_wrongly(
    questions: Sequence[VersionQuestion], said: Mapping[str, Fact], scripts: Mapping[str, Script], settling: Settling
) -> Iterator[Violation]:
    latest: defaultdict[str, int] = defaultdict(int)
    for question in questions:
        latest[question.work_id] = max(latest[question.work_id], question.version)
    for question in questions:
        if not settling.in_flight(question.closed_at or question.opened_at):
            fact, script = said.get(question.submission_id), scripts.get(question.work_id)
            problem = _cause_problem(question, fact) or _state_problem(question, script, latest[question.work_id])
            yield from _differs(question, problem)


def _cause_problem(question: VersionQuestion, fact: Fact | None) -> str | None:
    if fact is None:
        return "it is asked about a version that did not come after collection"
    if (question.work_id, question.version) != (fact.work_id, fact.version):
        return "it is about another work or number than the version"
    if question.state != SUPERSEDED and question.tutor_ref != fact.tutor_ref:
        return f"tutor {fact.tutor_ref} was told of it, and {question.tutor_ref} has the script"
    return None


def _state_problem(question: VersionQuestion, script: Script | None, latest: int) -> str | None:
    if question.state == OPEN:
        has = (script.state, script.taken_submission_id, script.taken_version) if script else None
        if has != ("collected", question.earlier_submission_id, question.earlier_version):
            return f"it is open, and the tutor has not collected version {question.earlier_version}"
    if question.state == SUPERSEDED and question.version >= max(latest, script.taken_version if script else 0):
        return "it is superseded, and there is no later version"
    if question.state not in {OPEN, SUPERSEDED, *ANSWERS}:
        return f"nobody knows the state {question.state}"
    return None


def _open_twice(questions: Iterable[VersionQuestion], settling: Settling) -> Iterator[Violation]:
    settled = (each for each in questions if each.state == OPEN and not settling.in_flight(each.opened_at))
    for work_id, count in Counter(each.work_id for each in settled).items():
        if count > 1:
            detail = f"{count} questions about one work are open"
            yield Violation(code=Code.QUESTION_DIFFERS, ids={"work_id": work_id}, detail=detail)


def check_answers(
    questions: Iterable[VersionQuestion], answers: Iterable[Fact], settling: Settling
) -> Iterator[Violation]:
    """Each answer was announced once and as it is, and none was announced that was not given.

    The questions were read after the facts.
    """
    said: dict[str, Fact] = {}
    for fact in answers:
        ids = {"submission_id": fact.submission_id or "", "event_id": fact.ce_id}
        if ids["submission_id"] in said:
            yield Violation(code=Code.FACT_DUPLICATE, ids=ids, detail="a choice was announced by two events")
        said[ids["submission_id"]] = fact
    for question in questions:
        yield from _answer_problem(question, said.pop(question.submission_id, None), settling)
    for submission_id, fact in said.items():
        if not settling.in_flight(fact.recorded_at):
            ids = {"submission_id": submission_id, "event_id": fact.ce_id}
            yield Violation(code=Code.QUESTION_DIFFERS, ids=ids, detail=f"{fact.name}, and nobody was asked")


def _answer_problem(question: VersionQuestion, answer: Fact | None, settling: Settling) -> Iterator[Violation]:
    if answer is not None:
        if not _announces(answer, question):
            yield from _differs(question, f"it is {question.state}, and {answer.name} says otherwise")
    elif question.state in ANSWERS and not settling.in_flight(question.closed_at or question.opened_at):
        ids = {"submission_id": question.submission_id, "work_id": question.work_id}
        yield Violation(code=Code.FACT_MISSING, ids=ids, detail="this choice is in no outbox and no trail")


def _announces(fact: Fact, question: VersionQuestion) -> bool:
    said = (fact.name, fact.work_id, fact.version, fact.earlier_submission_id, fact.earlier_version)
    kept = (question.work_id, question.version, question.earlier_submission_id, question.earlier_version)
    when = (fact.tutor_ref, fact.decided_at) == (question.decided_by, question.closed_at)
    return said == (ANSWERS.get(question.state), *kept) and when


def _differs(question: VersionQuestion, problem: str | None) -> Iterator[Violation]:
    if problem:
        ids = {"submission_id": question.submission_id, "work_id": question.work_id}
        yield Violation(code=Code.QUESTION_DIFFERS, ids=ids, detail=problem)
