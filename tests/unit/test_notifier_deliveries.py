"""How obligations become messages, what a message says, and what follows from an attempt."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from services.notifier.channels.port import Fate, Outcome
from services.notifier.deliveries.domain import (
    MAX_UNCERTAIN,
    Delivery,
    DeliveryState,
    judge,
    letter_of,
    plan,
    together,
    wait_after,
)
from services.notifier.deliveries.letters import Letters
from services.notifier.directory.domain import OPERATIONS, Contact, label_of, latest
from services.notifier.obligations.domain import Duty, Obligation, ObligationState, Purpose
from services.notifier.preferences.domain import Way
from tests.unit.notifier_facts import NOON, TMA01, TMA02, person

LABELS = {TMA01: "K827 TMA 01", TMA02: "K827 TMA 02"}
ADA = Contact(person_ref="ada", name="Ada <Lovelace>", email="ada@example.org")


def owed(purpose: Purpose, *, person_ref: str = "ada", assignment_id: str = TMA01) -> Obligation:
    return Obligation(
        obligation_id=str(uuid4()),
        event_id=str(uuid4()),
        event_type="etma.test",
        correlation_id="",
        duty=Duty(
            person_ref=person_ref,
            purpose=purpose,
            work_id=str(uuid4()),
            assignment_id=assignment_id,
            submission_id="s1",
            parameters={
                "version": "2",
                "earlier_version": "1",
                "reason": "collected",
                "request_id": "r1",
                "until": NOON.isoformat(),
                "answer_by": NOON.isoformat(),
                "to": "student",
                "by": "tutor",
            },
        ),
        created_at=NOON,
        state=ObligationState.PENDING,
    )


def tried(*, attempts: int = 1, uncertain_attempts: int = 0) -> Delivery:
    return Delivery(
        delivery_id="d1",
        person_ref="ada",
        message_id="<d1@etma.example>",
        correlation_id="",
        state=DeliveryState.SENDING,
        attempts=attempts,
        uncertain_attempts=uncertain_attempts,
        created_at=NOON,
        next_try_at=NOON,
    )


def planned(
    ways: dict[str, Way], *, gathers: bool = True, unreachable: tuple[str, ...] = ()
) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """What becomes of a receipt, a choice of a tutor and two new scripts, by purposes: mailed, silent, and waiting."""
    every = [
        owed(Purpose.RECEIPT),
        owed(Purpose.LATER_VERSION_TAKEN),
        owed(Purpose.NEW_SCRIPT),
        owed(Purpose.NEW_SCRIPT),
    ]
    made = plan(every, ways, unreachable=unreachable, gathers=gathers)
    mailed = [[o.duty.purpose.value for o in batch.obligations] for batch in made.batches if not batch.silent]
    silent = [[o.duty.purpose.value for o in batch.obligations] for batch in made.batches if batch.silent]
    return mailed, silent, sorted(o.duty.purpose.value for o in (*made.gathered, *made.daily))


def test_who_has_not_chosen_is_told_at_once_and_of_scripts_with_others_of_a_while() -> None:
    at_once = ([["receipt"], ["later_version_taken"]], [], ["new_script", "new_script"])
    assert planned({}) == planned({"ada": Way.AT_ONCE}) == at_once
    assert planned({}, gathers=False) == ([["receipt"], ["later_version_taken"], ["new_script"] * 2], [], [])


@pytest.mark.parametrize("gathers", [True, False])
def test_who_chose_the_daily_digest_waits_for_it_with_all_but_the_urgent(gathers: object) -> None:
    waiting = ["later_version_taken", "new_script", "new_script"]
    assert planned({"ada": Way.DAILY}, gathers=bool(gathers)) == ([["receipt"]], [], waiting)


def test_who_chose_the_inbox_is_mailed_nothing_but_the_urgent() -> None:
    silent = [["later_version_taken", "new_script", "new_script"]]
    assert planned({"ada": Way.INBOX_ONLY}) == ([["receipt"]], silent, [])


def test_nothing_waits_for_who_was_erased() -> None:
    everything = [["receipt"], ["later_version_taken"], ["new_script"], ["new_script"]]
    assert planned({"ada": Way.DAILY}, unreachable=("ada",)) == (everything, [], [])


def test_what_goes_together_goes_by_person() -> None:
    new, other, moved_ = (
        owed(Purpose.NEW_SCRIPT),
        owed(Purpose.NEW_SCRIPT, person_ref="bob"),
        owed(Purpose.SCRIPT_MOVED),
    )
    batches = together([new, other, moved_])
    assert [(batch.person_ref, batch.obligations) for batch in batches] == [("ada", (new, moved_)), ("bob", (other,))]


@pytest.mark.parametrize(
    ("purposes", "subject"),
    [
        ([Purpose.LATER_VERSION_TAKEN, Purpose.LATENESS_CORRECTED], "2 pieces of news about your work"),
        ([Purpose.NEW_SCRIPT, Purpose.VERSION_QUESTION], "2 pieces of news about your scripts"),
        ([Purpose.NEW_SCRIPT, Purpose.LATENESS_CORRECTED], "2 pieces of news"),
        ([Purpose.LATENESS_CORRECTED], "Ruling changed: K827 TMA 01"),
    ],
)
def test_the_subject_of_a_digest_says_what_it_is_about(purposes: list[Purpose], subject: str) -> None:
    letter = letter_of(ADA, [owed(purpose) for purpose in purposes], LABELS, base_url="https://etma.example")
    assert letter.subject == subject
    assert len(letter.lines) == len(purposes)


@pytest.mark.parametrize(("person_ref", "offered"), [("ada", True), (OPERATIONS, False)])
def test_a_letter_leads_to_where_one_chooses_but_not_from_a_shared_address(person_ref: str, offered: object) -> None:
    reader = Contact(person_ref=person_ref, name="Ada", email="ada@example.org")
    letter = letter_of(reader, [owed(Purpose.RECEIPT)], LABELS, base_url="https://etma.example")
    for form in (Letters().text(letter), Letters().html(letter)):
        assert ("https://etma.example/preferences" in form) == bool(offered)


def test_a_digest_counts_equal_things_by_assignment() -> None:
    told = [owed(Purpose.NEW_SCRIPT), owed(Purpose.NEW_SCRIPT, assignment_id=TMA02), owed(Purpose.NEW_SCRIPT)]
    letter = letter_of(ADA, told, LABELS, base_url="https://etma.example")
    assert [line.sentence for line in letter.lines] == [
        "There are 2 new scripts for K827 TMA 01 for you to mark.",
        "There is a new script for K827 TMA 02 for you to mark.",
    ]
    assert letter.lines[0].url == "https://etma.example/tutor"
    assert letter.subject == "2 pieces of news about your scripts"


@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_name_is_in_the_greeting_and_nowhere_else(purpose: Purpose) -> None:
    letter = letter_of(ADA, [owed(purpose)], LABELS, base_url="https://etma.example")
    text, html = Letters().text(letter), Letters().html(letter)
    assert text.count("Lovelace") == 1
    assert html.count("Lovelace") == 1
    assert text.startswith("Dear Ada <Lovelace>\n")
    assert "Dear Ada &lt;Lovelace&gt;" in html
    assert "Lovelace" not in letter.subject


def test_both_forms_link_to_the_page_and_the_inbox() -> None:
    letter = letter_of(ADA, [owed(Purpose.RECEIPT)], LABELS, base_url="https://etma.example")
    for form in (Letters().text(letter), Letters().html(letter)):
        assert "https://etma.example/receipts/s1" in form
        assert "https://etma.example/inbox" in form


def test_accepted_is_sent() -> None:
    assert judge(tried(), Outcome.accepted()).state is DeliveryState.SENT


def test_rejected_fails_with_its_reason() -> None:
    verdict = judge(tried(), Outcome(Fate.REJECTED, "bad_address"))
    assert (verdict.state, verdict.reason) == (DeliveryState.FAILED, "bad_address")


def test_an_outage_is_waited_for_without_end() -> None:
    verdict = judge(tried(attempts=10_000), Outcome(Fate.UNAVAILABLE, "unavailable"))
    assert (verdict.state, verdict.wait) == (DeliveryState.QUEUED, timedelta(minutes=5))


def test_what_nobody_understands_is_tried_five_times() -> None:
    states = [
        judge(tried(uncertain_attempts=before), Outcome(Fate.UNCERTAIN, "KeyError")).state
        for before in range(MAX_UNCERTAIN)
    ]
    assert states == [DeliveryState.UNCERTAIN] * 4 + [DeliveryState.FAILED]


def test_an_outage_does_not_count_as_not_understood() -> None:
    verdict = judge(tried(attempts=50), Outcome(Fate.UNCERTAIN, "KeyError"))
    assert verdict.state is DeliveryState.UNCERTAIN


def test_the_wait_doubles_up_to_five_minutes() -> None:
    waits = [wait_after(attempts).total_seconds() for attempts in (1, 2, 3, 9, 10, 100_000)]
    assert waits == [1, 2, 4, 256, 300, 300]


def test_of_several_states_of_a_person_the_highest_revision_counts_whatever_the_order() -> None:
    old, new = person("ada", name="Old", revision=1), person("ada", name="New", revision=2)
    assert latest([old, new]) == [new]
    assert latest([new, old]) == [new]


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ("TMA 01", "K827 TMA 01"),
        ("Études (2ᵉ)", "K827 Études (2ᵉ)"),
        ("تقرير", "K827 \u2068تقرير\u2069"),
        ("a\u202efdp.exe", "K827 \u2068a\u202efdp.exe\u2069"),
    ],
)
def test_a_title_cannot_turn_the_words_around_it(title: str, label: str) -> None:
    assert label_of("K827", title) == label
