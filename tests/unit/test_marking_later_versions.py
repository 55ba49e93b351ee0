"""A version that comes after collection is asked about once, answered once, and never more than one is in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.marking.allocation.domain import Decision, Place, Script, ScriptState, collect, place_again, take_in
from services.marking.later_versions.domain import (
    Choice,
    Question,
    QuestionAnswered,
    QuestionState,
    QuestionSuperseded,
    ScriptMoved,
    answer,
    ask,
)
from shared.contracts import (
    Fact,
    LaterVersionDeclined,
    LaterVersionTaken,
    NotTakenReason,
    ScriptCollected,
    VersionNotTaken,
)
from shared.errors import Conflict
from tests.integration.operations_house import NOON, received

TUTOR = "tutor-1"
PLACE = Place(group_id="G01", tutor_ref=TUTOR)
OTHER_PLACE = Place(group_id="G02", tutor_ref="tutor-2")
MINUTE = timedelta(minutes=1)


class Desk:
    """One piece of work: its script, the questions about it and all that was said, through the pure rules alone."""

    def __init__(self) -> None:
        self.script: Script | None = None
        self.questions: dict[int, Question] = {}
        self.said: list[Fact] = []
        self.versions = 0
        self.now = NOON

    def hand_in(self) -> None:
        self.versions += 1
        decision = take_in(received(version=self.versions), self.script, PLACE, now=self._later())
        self._settle(decision)
        for fact in decision.facts:
            if isinstance(fact, VersionNotTaken):
                for question in ask(fact, decision.script, self.questions.values(), now=self.now):
                    self.questions[question.version] = question

    def collect(self) -> None:
        if self.script:
            self._settle(collect(self.script, TUTOR, now=self._later()))

    def regroup(self, place: Place) -> None:
        if self.script:
            self._settle(place_again(self.script, place, now=self._later()))

    def answer(self, version: int, choice: Choice) -> None:
        """Raises what the rule raises."""
        assert self.script
        answered = answer(self.questions[version], self.script, choice, TUTOR, now=self._later())
        self._settle(answered.decision)
        self.questions[version] = answered.question

    def states(self) -> list[str]:
        return [self.questions[version].state.value for version in sorted(self.questions)]

    def choices(self) -> list[tuple[str, int]]:
        chosen = (LaterVersionTaken, LaterVersionDeclined)
        return [(type(fact).__name__, fact.version) for fact in self.said if isinstance(fact, chosen)]

    def _settle(self, decision: Decision) -> None:
        self.script = decision.script
        self.said += decision.facts

    def _later(self) -> datetime:
        self.now += MINUTE
        return self.now


@pytest.fixture
def desk() -> Desk:
    """Version 1 is collected, version 2 came after."""
    desk = Desk()
    desk.hand_in()
    desk.collect()
    desk.hand_in()
    return desk


def in_force(desk: Desk) -> tuple[int, str]:
    assert desk.script
    return desk.script.taken_version, desk.script.state


def test_a_version_after_collection_is_asked_about_and_names_what_the_tutor_has(desk: Desk) -> None:
    question = desk.questions[2]
    assert (question.state, question.submission_id, question.earlier_submission_id) == ("open", "s-w1-2", "s-w1-1")
    assert (question.earlier_version, question.earlier_collected_at) == (1, NOON + 2 * MINUTE)
    assert in_force(desk) == (1, "collected")


def test_a_version_before_collection_is_not_asked_about() -> None:
    desk = Desk()
    desk.hand_in()
    desk.hand_in()
    assert (desk.questions, in_force(desk)) == ({}, (2, "allocated"))


def test_taking_puts_the_later_version_in_force_to_be_collected(desk: Desk) -> None:
    desk.answer(2, Choice.TAKE)
    assert in_force(desk) == (2, "allocated")
    (fact,) = (each for each in desk.said if isinstance(each, LaterVersionTaken))
    assert (fact.submission_id, fact.earlier_submission_id, fact.tutor_ref) == ("s-w1-2", "s-w1-1", TUTOR)
    desk.collect()
    assert in_force(desk) == (2, "collected")


def test_keeping_changes_nothing_of_the_script(desk: Desk) -> None:
    before = desk.script
    desk.answer(2, Choice.KEEP)
    assert desk.script == before
    assert desk.choices() == [("LaterVersionDeclined", 2)]


def test_a_still_later_version_supersedes_the_open_question(desk: Desk) -> None:
    desk.hand_in()
    assert desk.states() == ["superseded", "open"]
    for choice in Choice:
        with pytest.raises(QuestionSuperseded, match="handed in again after version 2"):
            desk.answer(2, choice)
    desk.answer(3, Choice.TAKE)
    assert (desk.states(), in_force(desk)) == (["superseded", "taken"], (3, "allocated"))


def test_until_the_version_taken_is_collected_a_still_later_one_replaces_it(desk: Desk) -> None:
    desk.answer(2, Choice.TAKE)
    desk.hand_in()
    assert (desk.states(), in_force(desk)) == (["taken"], (3, "allocated"))
    desk.collect()
    desk.hand_in()
    assert (desk.states(), in_force(desk)) == (["taken", "open"], (3, "collected"))
    assert desk.questions[4].earlier_version == 3


def test_after_an_earlier_version_was_kept_the_next_one_is_asked_about_again(desk: Desk) -> None:
    desk.answer(2, Choice.KEEP)
    desk.hand_in()
    assert desk.states() == ["kept", "open"]
    assert desk.questions[3].earlier_version == 1


@pytest.mark.parametrize("choice", Choice)
def test_the_same_answer_again_changes_nothing(desk: Desk, choice: Choice) -> None:
    desk.answer(2, choice)
    before = (desk.script, dict(desk.questions), list(desk.said))
    desk.answer(2, choice)
    assert (desk.script, desk.questions, desk.said) == before


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [(Choice.TAKE, Choice.KEEP, "You chose to take version 2"), (Choice.KEEP, Choice.TAKE, "to keep version 1")],
)
def test_a_contrary_answer_is_a_conflict_that_names_the_first(
    desk: Desk, first: Choice, second: Choice, words: str
) -> None:
    desk.answer(2, first)
    with pytest.raises(QuestionAnswered, match=words):
        desk.answer(2, second)
    assert len(desk.choices()) == 1


def test_a_version_that_was_taken_stays_with_its_tutor_when_the_student_moves(desk: Desk) -> None:
    desk.answer(2, Choice.TAKE)
    desk.regroup(OTHER_PLACE)
    assert desk.script
    assert (desk.script.tutor_ref, in_force(desk)) == (TUTOR, (2, "allocated"))


def test_a_script_that_is_elsewhere_is_not_taken_from_there(desk: Desk) -> None:
    assert desk.script
    desk.script = replace(desk.script, taken_submission_id="another")
    with pytest.raises(ScriptMoved, match="Version 1 is not the one that you have any more"):
        desk.answer(2, Choice.TAKE)


def test_a_version_that_comes_out_of_order_is_never_put_before_a_later_one(desk: Desk) -> None:
    assert desk.script
    desk.hand_in()
    old = VersionNotTaken(
        work_id="w1",
        submission_id="s-old",
        version=1,
        assignment_id="a",
        person_ref="p",
        tutor_ref=TUTOR,
        reason=NotTakenReason.COLLECTED,
        ruled_at=NOON,
    )
    (question,) = ask(old, desk.script, desk.questions.values(), now=NOON)
    assert (question.state, question.closed_at) == (QuestionState.SUPERSEDED, NOON)


Step = Callable[[Desk], None]


def answering(version: int, choice: Choice) -> Step:
    def step(desk: Desk) -> None:
        if version in desk.questions:
            try:
                desk.answer(version, choice)
            except Conflict:
                assert desk.questions[version].state != "open"

    return step


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.just(Desk.hand_in),
    st.just(Desk.collect),
    st.sampled_from([PLACE, OTHER_PLACE]).map(lambda place: lambda desk: desk.regroup(place)),
    st.builds(answering, st.integers(1, 8), st.sampled_from(Choice)),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_one_version_is_in_force_and_each_question_has_one_answer(steps: list[Step]) -> None:
    desk = Desk()
    last = 0
    for step in steps:
        step(desk)
        if desk.script is None:
            continue
        taken = [fact.version for fact in desk.said if type(fact).__name__ in {"VersionTaken", "LaterVersionTaken"}]
        assert desk.script.taken_version == taken[-1] == max(taken) >= last
        last = desk.script.taken_version
        had = [fact.version for fact in desk.said if isinstance(fact, ScriptCollected)]
        assert (desk.script.state is ScriptState.COLLECTED) == (had[-1:] == [last])
        opened = [each for each in desk.questions.values() if each.state is QuestionState.OPEN]
        assert len(opened) <= 1
        assert all((each.earlier_version, desk.script.state) == (last, ScriptState.COLLECTED) for each in opened)
        assert all(each.version == desk.versions for each in opened)
    answered = [each.version for each in desk.questions.values() if each.decided_by]
    assert sorted(version for _, version in desk.choices()) == sorted(answered)
    ruled = [fact for fact in desk.said if type(fact).__name__ in {"VersionTaken", "VersionNotTaken"}]
    assert [fact.model_dump()["version"] for fact in ruled] == list(range(1, desk.versions + 1))
    assert len(desk.questions) == sum(isinstance(fact, VersionNotTaken) for fact in desk.said)
