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
    at_once,
    digests,
    judge,
    letter_of,
    wait_after,
)
from services.notifier.deliveries.letters import Letters
from services.notifier.directory.domain import Contact, latest
from services.notifier.obligations.domain import Duty, Obligation, ObligationState, Purpose
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
            parameters={"version": "2", "earlier_version": "1", "reason": "collected"},
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


def test_what_is_urgent_goes_alone_and_what_may_wait_goes_together_by_person() -> None:
    first, second = owed(Purpose.RECEIPT), owed(Purpose.RECEIPT)
    new, moved_, other = (
        owed(Purpose.NEW_SCRIPT),
        owed(Purpose.SCRIPT_MOVED),
        owed(Purpose.NEW_SCRIPT, person_ref="bob"),
    )
    every = [first, new, second, other, moved_]
    assert [batch.obligations for batch in at_once(every)] == [(first,), (second,)]
    assert [(batch.person_ref, batch.obligations) for batch in digests(every)] == [
        ("ada", (new, moved_)),
        ("bob", (other,)),
    ]


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
