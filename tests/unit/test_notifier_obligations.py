"""Which fact obliges to tell whom what, and in which words."""

from __future__ import annotations

import pytest

from services.notifier.obligations import domain
from services.notifier.obligations.domain import Duty, Purpose
from services.notifier.obligations.wording import words_of
from shared.contracts import Band, NotTakenReason, RefusalReason
from tests.unit.notifier_facts import allocated, chosen, corrected, held, lapsed, moved, not_taken, received, refused


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


def test_a_corrected_ruling_is_told_to_the_student_with_the_new_one() -> None:
    (duty,) = domain.corrections(corrected(person_ref="ada", band=Band.GRACE))
    words = words_of(duty, label="K827 TMA 01")
    assert told([duty]) == [("ada", Purpose.LATENESS_CORRECTED)]
    assert words.sentence == (
        "The cut-off for K827 TMA 01 was moved. Version 2 of your work now counts as within grace. "
        "The receipt page has the signed ruling."
    )
    assert words.path == f"/receipts/{duty.submission_id}"


@pytest.mark.parametrize("band", Band)
def test_every_new_ruling_has_words(band: Band) -> None:
    (duty,) = domain.corrections(corrected(band=band))
    assert "of your work now " in words_of(duty, label="K827 TMA 01").sentence


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
    assert "an earlier version" in words_of(tutor, label="K827 TMA 01").sentence


def test_a_tutor_who_is_asked_is_led_to_the_question_and_a_student_waits_for_the_answer() -> None:
    student, tutor = domain.questions(not_taken(tutor_ref="tom"))
    words = words_of(tutor, label="K827 TMA 01")
    assert words.path == f"/tutor/later-versions/{tutor.submission_id}"
    assert words.sentence == (
        "A student handed in version 2 of the work for K827 TMA 01, but you had already collected an earlier version. "
        "Please say which one you mark: the student waits for your answer."
    )
    assert "Your tutor is asked which one to mark" in words_of(student, label="K827 TMA 01").sentence


@pytest.mark.parametrize("reason", [NotTakenReason.RETURNED, NotTakenReason.UNKNOWN])
def test_where_no_question_is_put_nobody_is_led_to_one(reason: NotTakenReason) -> None:
    student, tutor = domain.questions(not_taken(reason=reason, tutor_ref="tom"))
    assert words_of(tutor, label="K827 TMA 01").path == f"/tutor/scripts/{tutor.work_id}"
    assert "is asked" not in words_of(student, label="K827 TMA 01").sentence


def test_a_choice_is_told_to_the_student_and_names_both_versions() -> None:
    (taken,), (declined,) = domain.takings(chosen(person_ref="ada")), domain.declinings(chosen("ada", take=False))
    assert told([taken, declined]) == [("ada", Purpose.LATER_VERSION_TAKEN), ("ada", Purpose.LATER_VERSION_DECLINED)]
    assert words_of(taken, label="K827 TMA 01").sentence == (
        "Your tutor takes version 3 of your work for K827 TMA 01 instead of version 1."
    )
    assert words_of(declined, label="K827 TMA 01").sentence == (
        "Your tutor keeps version 1 of your work for K827 TMA 01, and marks that one. "
        "We keep version 3; it is not marked."
    )
    assert words_of(taken, label="K827 TMA 01").path == f"/receipts/{taken.submission_id}"


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
