"""The rules of a request: who may do what, what can be agreed, and until when somebody has to answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from services.submission.catalogue.domain import Assignment, next_midnight, noon_of
from services.submission.deadlines.domain import Deadline, OwnCutOff, admit, cut_off_of, rule_anew
from services.submission.negotiation.domain import (
    MAY,
    MOST_WORDS,
    Answer,
    BadTerms,
    CannotAsk,
    Move,
    NotYourMove,
    Reason,
    Request,
    RequestClosed,
    Rules,
    StaleAnswer,
    State,
    answered,
    check_day,
    check_may_ask,
    clean_words,
    days_to_choose,
    escalated,
    lapsed,
    latest_possible,
    possible,
)
from services.submission.negotiation.words import REASONS, SAID, STATES
from shared.contracts import AssignmentKind, Band, LatePolicy, Party, RequestKind, SubmissionCategory, SubmissionStatus

RULES = Rules()
CUT_OFF = noon_of(date(2026, 12, 7))
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
WANTED = date(2026, 12, 14)


def assignment(**given: object) -> Assignment:
    cut_off_at = given.pop("cut_off_at", CUT_OFF)
    assert isinstance(cut_off_at, datetime)
    usual: dict[str, object] = {
        "assignment_id": "K827-26J-TMA01",
        "revision": 3,
        "presentation_id": "K827-26J",
        "module_code": "K827",
        "module_title": "Health",
        "title": "Figures",
        "kind": AssignmentKind.TMA,
        "cut_off_at": cut_off_at,
        "grace_ends_at": next_midnight(cut_off_at),
        "late_policy": LatePolicy.REFUSE,
        "category": SubmissionCategory.ONLINE_ENCOURAGED,
        "allowed_types": ("pdf",),
        "max_bytes": 1,
        "max_name_length": 50,
        "scored": True,
        "anonymous": False,
        "final": False,
    }
    return Assignment(**usual | given)  # type: ignore[arg-type]


def request(**given: object) -> Request:
    usual: dict[str, object] = {
        "request_id": "r1",
        "work_id": "w1",
        "kind": RequestKind.MORE_TIME,
        "assignment_id": "K827-26J-TMA01",
        "presentation_id": "K827-26J",
        "person_ref": "ann",
        "tutor_ref": "tom",
        "reason": Reason.ILLNESS,
        "state": State.PROPOSED,
        "turn": Party.TUTOR,
        "revision": 1,
        "cut_off_at": noon_of(WANTED),
        "protected_until": next_midnight(noon_of(WANTED)),
        "answer_by": RULES.answer_by(Party.TUTOR, NOW),
        "proposed_at": NOW,
        "changed_at": NOW,
    }
    return Request(**usual | given)  # type: ignore[arg-type]


def move(before: Request, what: Move, by: Party, **given: object) -> Request:
    answer = Answer(move=what, revision=before.revision, day=WANTED, **given)  # type: ignore[arg-type]
    return answered(before, answer, by, RULES, now=NOW)


@pytest.mark.parametrize(("turn", "party"), list(product((Party.STUDENT, Party.TUTOR), (Party.STUDENT, Party.TUTOR))))
def test_each_side_does_what_the_table_says_and_nothing_else(turn: Party, party: Party) -> None:
    before = request(turn=turn)
    for what in Move:
        if what in MAY[turn, party]:
            assert move(before, what, party).changed_at == NOW
        else:
            with pytest.raises(NotYourMove, match=" or ".join(MAY[turn, party]) or "wait"):
                move(before, what, party)


def test_support_answers_in_the_tutors_stead_once_the_request_was_escalated_and_not_before() -> None:
    assert possible(request(), Party.SUPPORT) == ()
    waited = escalated(request(), RULES, now=NOW)
    assert possible(waited, Party.SUPPORT) == possible(waited, Party.TUTOR) == (Move.AGREE, Move.COUNTER, Move.DECLINE)
    assert move(waited, Move.AGREE, Party.SUPPORT).state is State.AGREED


@pytest.mark.parametrize("what", list(Move))
@pytest.mark.parametrize("party", [Party.STUDENT, Party.TUTOR, Party.SUPPORT])
def test_an_end_is_final_and_says_which_it_was(what: Move, party: Party) -> None:
    for ended in (
        move(request(), Move.DECLINE, Party.TUTOR),
        lapsed(request(turn=Party.STUDENT), now=NOW),
        move(request(), Move.WITHDRAW, Party.STUDENT),
    ):
        assert ended.closed_at == NOW
        assert possible(ended, party) == ()
        with pytest.raises(RequestClosed, match=str(ended.state)):
            move(ended, what, party)


def test_terms_change_hands_as_often_as_the_sides_like_and_an_answer_to_older_ones_is_refused() -> None:
    first = request()
    second = move(first, Move.COUNTER, Party.TUTOR)
    third = move(second, Move.COUNTER, Party.STUDENT)
    assert [(each.revision, each.turn) for each in (first, second, third)] == [
        (1, Party.TUTOR),
        (2, Party.STUDENT),
        (3, Party.TUTOR),
    ]
    with pytest.raises(StaleAnswer):
        answered(third, Answer(move=Move.AGREE, revision=1), Party.TUTOR, RULES, now=NOW)
    assert answered(third, Answer(move=Move.AGREE, revision=3), Party.TUTOR, RULES, now=NOW).state is State.AGREED


def test_who_proposes_says_a_day() -> None:
    with pytest.raises(BadTerms, match="day"):
        answered(request(), Answer(move=Move.COUNTER, revision=1), Party.TUTOR, RULES, now=NOW)


def test_while_it_is_open_work_is_protected_until_the_end_of_the_latest_day_that_was_proposed() -> None:
    earlier = answered(
        request(), Answer(move=Move.COUNTER, revision=1, day=WANTED - timedelta(days=3)), Party.TUTOR, RULES, now=NOW
    )
    assert earlier.cut_off_at == noon_of(WANTED - timedelta(days=3))
    assert earlier.protected_until == next_midnight(noon_of(WANTED))


@pytest.mark.parametrize(
    ("asked_at", "last_day"),
    [
        ("2026-12-01T09:00:00+00:00", date(2026, 12, 4)),
        ("2026-12-04T23:59:59+00:00", date(2026, 12, 9)),  # a Friday: the week-end counts nothing
        ("2026-12-24T09:00:00+00:00", date(2026, 12, 31)),  # Christmas, and Boxing Day's substitute on the Monday
        ("2026-03-27T09:00:00+00:00", date(2026, 4, 1)),  # clocks go forward on the Sunday
        ("2026-10-23T22:30:00+00:00", date(2026, 10, 28)),  # half past eleven at night in the UK; back on the Sunday
        ("2026-10-23T23:30:00+00:00", date(2026, 10, 28)),  # half past midnight there: Saturday already
    ],
)
def test_a_tutor_has_three_working_days_to_the_end_of_the_last_one(asked_at: str, last_day: date) -> None:
    moment = RULES.answer_by(Party.TUTOR, datetime.fromisoformat(asked_at))
    assert moment == next_midnight(noon_of(last_day))
    assert RULES.remind_at(Party.TUTOR, datetime.fromisoformat(asked_at)) < moment


def test_a_student_has_five() -> None:
    assert RULES.answer_by(Party.STUDENT, NOW) == next_midnight(noon_of(date(2026, 12, 8)))


def test_no_more_than_21_days_can_be_agreed_and_of_a_final_assignment_nothing_beyond_its_ceiling() -> None:
    usual, final = assignment(), assignment(final=True, latest_cut_off_at=noon_of(date(2026, 12, 10)))
    assert latest_possible(usual, RULES) == noon_of(date(2026, 12, 28))
    assert latest_possible(final, RULES) == noon_of(date(2026, 12, 10))
    days = days_to_choose(usual, cut_off_of(usual), RULES, now=NOW)
    assert (days[0], days[-1], len(days)) == (date(2026, 12, 8), date(2026, 12, 28), 21)
    assert days_to_choose(final, cut_off_of(final), RULES, now=NOW)[-1] == date(2026, 12, 10)


def test_21_days_over_a_change_of_the_clocks_end_at_noon() -> None:
    spring = assignment(cut_off_at=noon_of(date(2027, 3, 15)))
    assert latest_possible(spring, RULES) == datetime(2027, 4, 5, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "now", "words"),
    [
        (None, NOW, "Choose a day"),
        (date(2026, 12, 7), NOW, "later than the cut-off"),
        (date(2026, 12, 29), NOW, "latest day that can be agreed .* is Monday 28 December 2026"),
        (date(2026, 12, 9), datetime(2026, 12, 9, 12, tzinfo=UTC), "noon is over"),
    ],
)
def test_a_day_that_cannot_be_agreed_is_refused_with_what_could_be(day: date | None, now: datetime, words: str) -> None:
    with pytest.raises(BadTerms, match=words) as refused:
        check_day(day, assignment(), cut_off_of(assignment()), RULES, now=now)
    assert refused.value.extra == {"field": "day"}


@pytest.mark.parametrize(
    ("given", "now", "words"),
    [
        ({"kind": AssignmentKind.EMA}, NOW, "end-of-module"),
        ({"kind": AssignmentKind.DUMMY}, NOW, "counts for nothing"),
        ({}, next_midnight(CUT_OFF), "before the time is over"),
        ({"latest_cut_off_at": CUT_OFF}, NOW, "all the time that can be agreed"),
    ],
)
def test_where_there_is_nothing_to_ask_for_it_is_said_why(given: dict[str, object], now: datetime, words: str) -> None:
    asked = assignment(**given)
    with pytest.raises(CannotAsk, match=words):
        check_may_ask(asked, cut_off_of(asked), RULES, now=now)


def test_it_can_be_asked_for_until_the_end_of_grace_or_only_until_the_cut_off() -> None:
    in_grace = CUT_OFF + timedelta(hours=1)
    check_may_ask(assignment(), cut_off_of(assignment()), RULES, now=in_grace)
    with pytest.raises(CannotAsk):
        check_may_ask(assignment(), cut_off_of(assignment()), replace(RULES, until_grace=False), now=in_grace)


def own(day: date) -> OwnCutOff:
    return OwnCutOff(cut_off_at=noon_of(day), grace_ends_at=next_midnight(noon_of(day)), revision=9)


def test_an_agreed_cut_off_holds_while_it_is_the_later_one() -> None:
    assert cut_off_of(assignment(), own(WANTED)).cut_off_at == noon_of(WANTED)
    moved = assignment(cut_off_at=noon_of(date(2026, 12, 20)))
    assert cut_off_of(moved, own(WANTED)) == cut_off_of(moved)


def test_late_work_is_received_under_the_protection_of_a_request_and_the_answer_decides() -> None:
    base = cut_off_of(assignment())
    late = noon_of(WANTED)
    protected = Deadline(cut_off=base, protected_until=next_midnight(late))
    assert admit(late, protected) == (Band.LATE, SubmissionStatus.PENDING_REQUEST)
    assert admit(late, Deadline(cut_off=base))[0] is Band.REFUSED
    assert admit(next_midnight(late), protected)[0] is Band.REFUSED
    assert admit(CUT_OFF, protected) == (Band.ON_TIME, SubmissionStatus.ACCEPTED)
    pending, agreed = SubmissionStatus.PENDING_REQUEST, Deadline(cut_off=cut_off_of(assignment(), own(WANTED)))
    assert rule_anew(late, pending, protected) is Band.LATE
    assert rule_anew(late, pending, agreed) is Band.ON_TIME
    assert rule_anew(late, pending, Deadline(cut_off=base)) is Band.REFUSED
    assert rule_anew(late, SubmissionStatus.ACCEPTED, Deadline(cut_off=base)) is Band.LATE


def test_words_are_kept_as_they_were_typed_but_what_is_no_text() -> None:
    assert clean_words(" a\r\nb\x00\x1b\u202ec\r ", needed=False) == "a\nb\u202ec"
    assert clean_words("x" * MOST_WORDS, needed=True) == "x" * MOST_WORDS
    for text, words in (("x" * (MOST_WORDS + 1), f"at most {MOST_WORDS}"), ("\x00 \n", "why")):
        with pytest.raises(BadTerms, match=words):
            clean_words(text, needed=True)


def test_everything_has_words() -> None:
    assert (REASONS.keys(), STATES.keys()) == (set(Reason), set(State))
    assert SAID.keys() == {"propose", "lapse", "escalate", "move"} | set(map(str, Move))
