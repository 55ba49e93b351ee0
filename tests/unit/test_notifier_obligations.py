"""Which fact obliges to tell whom what, and in which words."""

from __future__ import annotations

import pytest

from services.notifier.obligations import domain
from services.notifier.obligations.domain import Duty, Purpose
from services.notifier.obligations.wording import words_of
from shared.contracts import NotTakenReason, RefusalReason
from tests.unit.notifier_facts import allocated, held, lapsed, moved, not_taken, received, refused


def told(duties: list[Duty]) -> list[tuple[str, Purpose]]:
    return [(duty.person_ref, duty.purpose) for duty in duties]


def test_a_submission_obliges_to_give_the_student_a_receipt() -> None:
    fact = received(person_ref="ada")
    assert told(domain.receipts(fact)) == [("ada", Purpose.RECEIPT)]
    assert domain.receipts(fact)[0].submission_id == fact.submission_id


def test_whoever_handed_in_for_the_student_has_a_receipt_too() -> None:
    duties = domain.receipts(received(person_ref="ada", submitted_by="grace"))
    assert told(duties) == [("ada", Purpose.RECEIPT), ("grace", Purpose.RECEIPT)]


def test_a_refusal_is_told_to_the_student() -> None:
    assert told(domain.refusals(refused(person_ref="ada"))) == [("ada", Purpose.REFUSED)]


def test_an_upload_that_nobody_handed_in_is_told_to_the_student_and_what_to_do() -> None:
    (duty,) = domain.lapses(lapsed(person_ref="ada"))
    assert (duty.person_ref, duty.purpose) == ("ada", Purpose.UPLOAD_LAPSED)
    words = words_of(duty, label="K827 TMA 01")
    assert words.subject == "A file was uploaded and not handed in: K827 TMA 01"
    assert "upload it again" in words.sentence
    assert words.path == f"/assignments/{duty.assignment_id}"


def test_a_version_not_taken_is_told_to_the_student_and_asked_of_the_tutor() -> None:
    duties = domain.questions(not_taken(person_ref="ada", tutor_ref="tom"))
    assert told(duties) == [("ada", Purpose.VERSION_NOT_TAKEN), ("tom", Purpose.VERSION_QUESTION)]


def test_a_version_not_taken_asks_nobody_when_there_is_no_tutor() -> None:
    assert told(domain.questions(not_taken(person_ref="ada", tutor_ref=None))) == [("ada", Purpose.VERSION_NOT_TAKEN)]


def test_an_allocation_is_told_to_the_tutor() -> None:
    assert told(domain.allocations(allocated(tutor_ref="tom"))) == [("tom", Purpose.NEW_SCRIPT)]


def test_a_move_is_told_to_both_tutors() -> None:
    duties = domain.moves(moved(from_tutor_ref="tom", tutor_ref="una"))
    assert told(duties) == [("tom", Purpose.SCRIPT_MOVED), ("una", Purpose.NEW_SCRIPT)]


def test_a_script_taken_from_a_tutor_for_nobody_is_told_to_that_tutor() -> None:
    assert told(domain.withdrawals(held(from_tutor_ref="tom"))) == [("tom", Purpose.SCRIPT_MOVED)]
    assert domain.withdrawals(held(from_tutor_ref=None)) == []


def test_words_for_a_script_that_left_a_tutor_promise_no_other_tutor() -> None:
    (duty,) = domain.withdrawals(held())
    words = words_of(duty, label="K827 TMA 01")
    assert words.sentence == (
        "A script for K827 TMA 01 is no longer yours to mark: the student's group or its tutor changed. "
        "You need do nothing."
    )
    assert words_of(duty, label="K827 TMA 01", count=2).sentence.startswith("2 scripts for K827 TMA 01 are no longer")


@pytest.mark.parametrize("reason", list(RefusalReason))
def test_every_reason_of_a_refusal_has_words(reason: RefusalReason) -> None:
    (duty,) = domain.refusals(refused(reason=reason))
    words = words_of(duty, label="K827 TMA 01")
    assert "K827 TMA 01" in words.subject
    assert "was not accepted: " in words.sentence
    assert words.path == f"/assignments/{duty.assignment_id}"


@pytest.mark.parametrize("reason", list(NotTakenReason))
def test_every_reason_for_not_taking_a_version_has_words(reason: NotTakenReason) -> None:
    student, tutor = domain.questions(not_taken(reason=reason, tutor_ref="tom"))
    assert "an earlier version" in words_of(student, label="K827 TMA 01").sentence
    assert words_of(tutor, label="K827 TMA 01").path == f"/tutor/scripts/{tutor.work_id}"


def test_a_receipt_leads_to_the_receipt_and_promises_no_marking() -> None:
    (duty,) = domain.receipts(received())
    words = words_of(duty, label="K827 TMA 01")
    assert words.path == f"/receipts/{duty.submission_id}"
    assert "mark" not in words.sentence


def test_several_new_scripts_are_one_sentence_with_their_number() -> None:
    (duty,) = domain.allocations(allocated())
    assert words_of(duty, label="K827 TMA 01").path == f"/tutor/scripts/{duty.work_id}"
    words = words_of(duty, label="K827 TMA 01", count=3)
    assert words.sentence == "There are 3 new scripts for K827 TMA 01 for you to mark."
    assert words.path == "/tutor"
