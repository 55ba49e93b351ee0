"""A request goes its way by the real use cases, whatever anybody does and however long nobody does anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.submission.catalogue.domain import next_midnight, noon_of
from services.submission.deadlines.domain import RULE_WORK_AGAIN
from services.submission.negotiation.domain import (
    MOST_REQUESTS,
    CannotAsk,
    Move,
    Reason,
    Request,
    RequestClosed,
    RequestOpen,
    StaleAnswer,
)
from services.submission.negotiation.handlers import ANSWER_DUE, REMINDER_DUE, Asked
from services.submission.negotiation.store import forget_words, request_table
from shared.contracts import CutOffChanged, Party, RequestMoved, RequestReminded
from shared.errors import EtmaError, NotFound
from shared.web.tokens import Principal
from tests.integration.negotiation_house import (
    ANN,
    CUT_OFF_DAY,
    EMA,
    OTHER_STUDENT,
    OTHER_TUTOR,
    STUDENT,
    SUPPORT,
    TOM,
    TUTOR,
    UNA,
    House,
    caller,
)

WANTED, OTHER = date(2026, 12, 14), date(2026, 12, 10)
ASKED = Asked(day=WANTED, reason=Reason.WORK, words="")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.fire()
    yield house
    house.database.close()


def test_what_is_agreed_is_the_students_own_cut_off_and_said_once(house: House) -> None:
    agreed = house.answer(house.ask(WANTED), Move.AGREE, TUTOR)
    assert house.deadline().cut_off.cut_off_at == noon_of(WANTED)
    assert house.deadline().cut_off.grace_ends_at == next_midnight(noon_of(WANTED))
    assert house.deadline("ben").cut_off.cut_off_at == noon_of(CUT_OFF_DAY)
    assert house.said() == ["RequestProposed", "CutOffChanged", "RequestAgreed"]
    assert house.timers() == {(RULE_WORK_AGAIN, agreed.work_id)}


def test_a_button_that_is_pressed_twice_does_it_once(house: House) -> None:
    request = house.ask(WANTED)
    assert house.ask(WANTED).request_id == request.request_id
    countered = house.answer(request, Move.COUNTER, TUTOR, day=OTHER)
    assert house.answer(request, Move.COUNTER, TUTOR, day=OTHER) == countered
    assert house.answer(countered, Move.AGREE, STUDENT) == house.answer(countered, Move.AGREE, STUDENT)
    assert house.said() == ["RequestProposed", "RequestCountered", "CutOffChanged", "RequestAgreed"]
    assert [row["said"] for row in house.words()] == ["propose", "counter", "agree"]


def test_an_answer_to_an_outdated_proposal_is_not_taken_for_one_to_the_new(house: House) -> None:
    first = house.ask(WANTED)
    house.answer(first, Move.COUNTER, TUTOR, day=OTHER)
    with pytest.raises(StaleAnswer):
        house.answer(first, Move.AGREE, STUDENT)
    assert house.deadline().cut_off.cut_off_at == noon_of(CUT_OFF_DAY)


def test_one_request_is_open_at_a_time_and_after_its_end_there_can_be_another(house: House) -> None:
    request = house.ask(WANTED)
    with pytest.raises(RequestOpen) as refused:
        house.ask(OTHER)
    assert refused.value.extra == {"request_id": request.request_id}
    house.answer(request, Move.WITHDRAW, STUDENT)
    house.answer(house.ask(OTHER), Move.AGREE, TUTOR)
    house.answer(house.ask(WANTED), Move.AGREE, TUTOR)
    assert house.deadline().cut_off.cut_off_at == noon_of(WANTED)
    revisions = [fact.revision for fact in house.facts() if isinstance(fact, CutOffChanged)]
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize(
    "stranger", [OTHER_STUDENT, OTHER_TUTOR, caller("sid", "support"), caller("sid", "support", ("presentation:X1",))]
)
def test_a_request_is_not_there_for_who_is_no_party(house: House, stranger: Principal) -> None:
    request = house.ask(WANTED)
    with pytest.raises(NotFound):
        house.answer(request, Move.AGREE, stranger)
    with pytest.raises(NotFound):
        house.requests.show(request.request_id, stranger)
    assert house.requests.list_of(stranger) == []


def test_nothing_is_asked_for_an_ema_or_a_module_that_is_not_the_students(house: House) -> None:
    with pytest.raises(CannotAsk):
        house.requests.ask(EMA, ASKED, STUDENT)
    with pytest.raises(NotFound):
        house.requests.ask("X1-26J-TMA01", ASKED, STUDENT)
    assert house.stored() == []


def test_a_tutor_who_never_answers_is_reminded_and_then_support_answers_in_the_tutors_stead(house: House) -> None:
    request = house.ask(WANTED)
    house.wait(days=2, hours=4)
    (reminder,) = [fact for fact in house.facts() if isinstance(fact, RequestReminded)]
    assert (reminder.party, reminder.tutor_ref) == (Party.TUTOR, TOM)
    assert house.requests.list_of(SUPPORT) == []
    house.wait(days=2)
    assert house.said()[-1] == "RequestEscalated"
    assert [line.request_id for line in house.requests.list_of(SUPPORT)] == [request.request_id]
    since = house.now(request).escalated_at
    house.wait(days=20)
    assert house.now(request).escalated_at == since is not None
    reminders = [fact.party for fact in house.facts() if isinstance(fact, RequestReminded)]
    assert Counter(reminders)[Party.SUPPORT] >= 1
    assert house.now(request).state.is_open
    house.answer(house.now(request), Move.AGREE, SUPPORT)
    assert house.said()[-1] == "RequestAgreed"
    assert house.requests.list_of(SUPPORT) == []


def test_a_student_who_never_answers_is_reminded_and_then_the_request_ends(house: House) -> None:
    request = house.answer(house.ask(WANTED), Move.COUNTER, TUTOR, day=OTHER)
    house.wait(days=7)
    assert house.said()[-1] == "RequestReminded"
    house.wait(days=1)
    assert house.said()[-1] == "RequestLapsed"
    with pytest.raises(RequestClosed, match="lapsed"):
        house.answer(request, Move.AGREE, STUDENT)
    assert house.deadline().protected_until is None


def test_without_a_tutor_it_goes_to_support_at_once(house: House) -> None:
    house.give_group(None)
    house.ask(WANTED)
    assert house.said() == ["RequestProposed", "RequestEscalated"]
    assert len(house.requests.list_of(SUPPORT)) == 1


def test_an_open_request_goes_with_the_group_to_its_new_tutor(house: House) -> None:
    request = house.ask(WANTED)
    house.give_group("00000002")
    house.fire()
    (moved,) = [fact for fact in house.facts() if isinstance(fact, RequestMoved)]
    assert (moved.from_tutor_ref, moved.tutor_ref) == (TOM, UNA)
    with pytest.raises(NotFound):
        house.answer(request, Move.AGREE, TUTOR)
    house.answer(request, Move.AGREE, OTHER_TUTOR)
    house.give_group("00000001")
    house.fire()
    assert house.now(request).tutor_ref == UNA  # an ended one stays with who ended it


def test_a_group_that_loses_its_tutor_has_its_requests_with_support(house: House) -> None:
    house.ask(WANTED)
    house.give_group(None)
    house.fire()
    assert house.said() == ["RequestProposed", "RequestMoved", "RequestEscalated"]


def test_all_words_are_kept_in_order_and_go_with_the_person_leaving_when(house: House) -> None:
    request = house.answer(house.ask(WANTED, words="mine"), Move.COUNTER, TUTOR, day=OTHER, words="yours")
    house.answer(request, Move.DECLINE, STUDENT, words="no")
    before = house.requests.show(request.request_id, STUDENT)[0].words
    assert [(word.said, str(word.by), word.words) for word in before] == [
        ("propose", "student", "mine"),
        ("counter", "tutor", "yours"),
        ("decline", "student", "no"),
    ]
    with house.database.transaction() as tx:
        forget_words([ANN], tx)
    after = house.requests.show(request.request_id, STUDENT)[0].words
    assert [(word.said, word.words, word.erased_at) for word in after] == [
        (said, "", house.clock.now()) for said in ("propose", "counter", "decline")
    ]


def test_a_tutor_is_not_asked_without_end(house: House) -> None:
    for _ in range(MOST_REQUESTS):
        house.answer(house.ask(WANTED), Move.WITHDRAW, STUDENT)
    with pytest.raises(CannotAsk, match=f"asked {MOST_REQUESTS} times"):
        house.ask(WANTED)


def test_the_database_refuses_a_second_open_request(house: House) -> None:
    request = house.ask(WANTED)
    twin = {name: value for name, value in house.stored()[0].items() if name != "position"}
    with pytest.raises(sa.exc.IntegrityError), house.database.transaction() as tx:
        tx.connection.execute(sa.insert(request_table), twin | {"request_id": request.request_id + "x"})


DAYS = st.dates(date(2026, 12, 1), date(2027, 1, 5))
WHO = st.sampled_from([STUDENT, OTHER_STUDENT, TUTOR, OTHER_TUTOR, SUPPORT])


class Conversations(RuleBasedStateMachine):
    """Students, tutors, support, groups and clocks do as they like."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.house = House(Path(self.folder.name))
        self.seen: dict[int, tuple[object, ...]] = {}

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.house.database.close()
            self.folder.cleanup()

    @rule(day=DAYS, student=st.sampled_from([STUDENT, OTHER_STUDENT]))
    def ask(self, day: date, student: Principal) -> None:
        self.attempt(lambda: self.house.ask(day, student=student))

    @precondition(lambda self: self.house.stored())
    @rule(data=st.data(), who=WHO, move=st.sampled_from(list(Move)), day=DAYS, again=st.booleans())
    def answer(self, data: st.DataObject, who: Principal, move: Move, day: date, again: bool) -> None:  # noqa: FBT001
        row = data.draw(st.sampled_from(self.house.stored()))
        with self.house.database.transaction() as tx:
            request = self.house.requests.store.of_id(row["request_id"], tx)
        assert request is not None
        for _ in range(1 + again):
            self.attempt(lambda: self.house.answer(request, move, who, day=day))

    @rule(hours=st.sampled_from([1, 15, 30, 80, 200]))
    def let_time_pass(self, hours: int) -> None:
        self.house.wait(hours=hours)

    @rule(tutor=st.sampled_from(["00000001", "00000002", None]))
    def regroup(self, tutor: str | None) -> None:
        self.house.give_group(tutor)

    @rule()
    def restart(self) -> None:
        """What is to happen is in the database and nowhere else."""
        kept = self.house.requests
        self.house.requests = type(kept)(
            database=kept.database, catalogue=kept.catalogue, deadlines=kept.deadlines, rules=kept.rules
        )

    def attempt(self, act: Callable[[], Request]) -> Request | None:
        """Somebody tries; what is refused is refused with words, and changes nothing."""
        before = (self.house.stored(), self.house.words(), self.house.facts())
        try:
            return act()
        except EtmaError as error:
            refused = error
        assert refused.detail
        assert (self.house.stored(), self.house.words(), self.house.facts()) == before
        return None

    @invariant()
    def at_most_one_is_open_for_a_work_and_something_is_to_happen_to_it(self) -> None:
        if not hasattr(self, "house"):
            return
        waiting = [row for row in self.house.stored() if row["closed_at"] is None]
        assert set(Counter(row["work_id"] for row in waiting).values()) <= {1}
        due = {key for kind, key in self.house.timers() if kind == ANSWER_DUE}
        assert due == {row["request_id"] for row in waiting}
        assert {key for kind, key in self.house.timers() if kind == REMINDER_DUE} <= due
        assert all(row["answer_by"] > self.house.clock.now() - timedelta(minutes=1) for row in waiting)

    @invariant()
    def the_effective_cut_off_is_the_latest_agreed_and_never_beyond_what_may_be(self) -> None:
        if not hasattr(self, "house"):
            return
        for person_ref in ("ann", "ben"):
            agreed = [
                fact.cut_off_at
                for fact in self.house.facts()
                if isinstance(fact, CutOffChanged) and fact.person_ref == person_ref
            ]
            effective = self.house.deadline(person_ref).cut_off.cut_off_at
            assert effective == max([noon_of(CUT_OFF_DAY), *agreed[-1:]])
            assert effective <= noon_of(CUT_OFF_DAY + timedelta(days=21))

    @invariant()
    def no_word_is_edited_and_each_step_is_said_once(self) -> None:
        if not hasattr(self, "house"):
            return
        for row in self.house.words():
            assert self.seen.setdefault(row["position"], tuple(row.values())) == tuple(row.values())
        steps = {"propose", "counter", "agree", "decline", "withdraw", "lapse", "escalate", "move"}
        told = Counter(name for name in self.house.said() if name not in {"CutOffChanged", "RequestReminded"})
        assert sum(told.values()) == sum(row["said"] in steps for row in self.house.words())
        assert Counter(self.house.said())["CutOffChanged"] == told["RequestAgreed"]


TestConversations = Conversations.TestCase
TestConversations.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
