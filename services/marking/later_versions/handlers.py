"""Asks the tutor about a version that came after collection, and does as the tutor says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.marking.allocation.domain import Script
from services.marking.allocation.store import ScriptStore
from services.marking.later_versions.domain import Choice, Question, answer, ask
from services.marking.later_versions.store import QuestionStore
from shared.contracts import NotTakenReason, VersionNotTaken
from shared.database import Context, Database, Transaction
from shared.errors import NotFound


class Asking:
    """A question for each version that was not taken because the tutor had collected an earlier one."""

    def __init__(self, questions: QuestionStore) -> None:
        self.questions = questions

    def ask(self, not_taken: Sequence[VersionNotTaken], scripts: Mapping[str, Script], tx: Transaction) -> None:
        """Put the questions, in the transaction of the rulings; the caller holds the locks of the works."""
        too_late = [fact for fact in not_taken if fact.reason is NotTakenReason.COLLECTED]
        if not too_late:
            return
        asked: dict[str, dict[str, Question]] = {fact.work_id: {} for fact in too_late}
        for work_id, questions in self.questions.of_works(list(asked), tx).items():
            asked[work_id] = {each.submission_id: each for each in questions}
        changed: dict[str, Question] = {}
        for fact in too_late:
            of_work = asked[fact.work_id]
            news = {each.submission_id: each for each in ask(fact, scripts[fact.work_id], of_work.values(), now=tx.now)}
            of_work |= news
            changed |= news
        self.questions.save_all(changed.values(), tx)


class Answering:
    """The tutor's use case on a question about an own script."""

    def __init__(self, *, database: Database, questions: QuestionStore, scripts: ScriptStore) -> None:
        self.database = database
        self.questions = questions
        self.scripts = scripts

    def answer(self, submission_id: str, choice: Choice, tutor_ref: str, *, correlation_id: str = "") -> None:
        """Make the choice about this version and say so, once; the same choice again changes nothing.

        Raises `NotFound` for a question about another's script, and what `domain.answer` raises: then nothing changed.
        """
        context = Context(actor=f"tutor:{tutor_ref}", correlation_id=correlation_id)
        with self.database.transaction(context) as tx:
            question = self.questions.of_submission(submission_id, tx)
            if question is not None:
                tx.lock(question.work_id)
                question = self.questions.of_submission(submission_id, tx)
            script = self.scripts.of_works([question.work_id], tx).get(question.work_id) if question else None
            if question is None or script is None or script.tutor_ref != tutor_ref:
                detail = "There is no such question to you."
                raise NotFound(detail)
            answered = answer(question, script, choice, tutor_ref, now=tx.now)
            if answered.decision.facts:
                self.questions.save_all([answered.question], tx)
                self.scripts.save_all([answered.decision.script], tx)
                tx.publish_all(answered.decision.facts)
