"""What is owed, to whom, once; held until the person is known; at once or by digest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from services.notifier.deliveries.store import deliveries
from services.notifier.obligations.store import obligations
from shared.contracts import Fact
from tests.integration.notifier_house import House
from tests.unit.notifier_facts import allocated, assignment, chosen, moved, not_taken, person, received, refused


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.hear(assignment(), person("ada"), person("tom", name="Tom", email="tom@example.org"))
    return made


def test_a_submission_makes_a_receipt_and_its_delivery_in_one_transaction(house: House) -> None:
    fact = received("ada")
    house.hear(fact)
    (owed,), (delivery,) = house.obligations(), house.deliveries()
    assert (owed["purpose"], owed["person_ref"], owed["state"]) == ("receipt", "ada", "assigned")
    assert (owed["submission_id"], owed["delivery_id"]) == (fact.submission_id, delivery["delivery_id"])
    assert (delivery["state"], delivery["attempts"]) == ("queued", 0)
    assert delivery["message_id"] == f"<{delivery['delivery_id']}@etma.example>"


def test_the_same_event_twice_owes_once(house: House) -> None:
    fact, event_id = received("ada"), str(uuid4())
    house.hear_again(fact, event_id=event_id)
    house.hear_again(fact, event_id=event_id)
    assert len(house.obligations()) == 1
    assert len(house.deliveries()) == 1
    assert house.obligations()[0]["event_id"] == event_id


def test_the_same_event_twice_in_one_run_owes_once(house: House) -> None:
    first, second, event_id = received("ada"), received("ada"), str(uuid4())
    house.hear(first, second, event_ids={id(first): event_id, id(second): event_id})
    assert len(house.obligations()) == 1


def test_the_database_refuses_a_second_obligation_of_an_event_person_and_purpose(house: House) -> None:
    house.hear(received("ada"))
    again = {**house.obligations()[0], "obligation_id": str(uuid4())}
    with pytest.raises(sa.exc.IntegrityError), house.database.transaction() as tx:
        tx.connection.execute(obligations.insert(), again)


def test_two_versions_are_two_receipts(house: House) -> None:
    house.hear(received("ada", version=1), received("ada", version=2))
    assert len(house.deliveries()) == 2


def test_what_is_owed_to_a_stranger_is_held_and_released_when_they_become_known(house: House) -> None:
    house.hear(received("eve"))
    (held,) = house.obligations()
    assert (held["state"], held["waits_for"], held["delivery_id"]) == ("held", "person", None)
    assert house.deliveries() == []
    house.hear(person("eve"))
    (released,) = house.obligations()
    assert (released["state"], released["waits_for"]) == ("assigned", None)
    assert [d["person_ref"] for d in house.deliveries()] == ["eve"]


def test_a_held_obligation_heard_again_after_its_release_is_not_held_again(house: House) -> None:
    fact, event_id = received("eve"), str(uuid4())
    house.hear_again(fact, event_id=event_id)
    house.hear(person("eve"))
    house.hear_again(fact, event_id=event_id)
    house.hear(person("eve", revision=2))
    assert [o["state"] for o in house.obligations()] == ["assigned"]
    assert len(house.deliveries()) == 1


def test_a_held_digest_obligation_is_released_into_the_digest(house: House) -> None:
    house.hear(allocated("ada", tutor_ref="una"), person("una", email="una@example.org"))
    assert [o["state"] for o in house.obligations()] == ["pending"]
    house.clock.advance(timedelta(minutes=15))
    house.fire_digests()
    assert [d["person_ref"] for d in house.deliveries()] == ["una"]


def test_one_without_an_address_is_told_in_the_inbox_only(house: House) -> None:
    house.hear(person("bob", email=None), received("bob"))
    (delivery,) = house.deliveries()
    assert (delivery["state"], delivery["reason"]) == ("suppressed", "no_address")


def test_an_older_state_of_a_person_that_comes_late_changes_nothing(house: House) -> None:
    house.hear(person("ada", email="new@example.org", revision=3))
    house.hear(person("ada", email="old@example.org", revision=2))
    house.hear(received("ada"))
    house.send()
    assert [mail.to for mail in house.scripted.mails] == ["new@example.org"]


def test_a_version_not_taken_tells_the_student_and_asks_the_tutor_at_once(house: House) -> None:
    house.hear(not_taken("ada", tutor_ref="tom"))
    told = {(o["person_ref"], o["purpose"], o["state"]) for o in house.obligations()}
    assert told == {("ada", "version_not_taken", "assigned"), ("tom", "version_question", "assigned")}


@pytest.mark.parametrize(("take", "purpose"), [(True, "later_version_taken"), (False, "later_version_declined")])
def test_a_tutors_choice_is_told_to_the_student_alone_at_once(house: House, take: object, purpose: str) -> None:
    fact, event_id = chosen("ada", take=bool(take)), str(uuid4())
    house.hear_again(fact, event_id=event_id)
    house.hear_again(fact, event_id=event_id)
    assert [(o["person_ref"], o["purpose"], o["state"]) for o in house.obligations()] == [("ada", purpose, "assigned")]


def test_a_refusal_is_told_at_once(house: House) -> None:
    house.hear(refused("ada"))
    assert [(o["purpose"], o["parameters"]) for o in house.obligations()] == [("refused", {"reason": "too_late"})]
    assert len(house.deliveries()) == 1


def test_new_scripts_gather_until_the_window_that_the_first_opened_is_over(house: House) -> None:
    house.hear(allocated("ada"))
    house.clock.advance(timedelta(minutes=14))
    house.hear(allocated("bob"))
    house.fire_digests()
    assert house.deliveries() == []
    house.clock.advance(timedelta(minutes=1))
    house.fire_digests()
    (delivery,) = house.deliveries()
    assert {o["delivery_id"] for o in house.obligations()} == {delivery["delivery_id"]}
    assert delivery["created_at"] == house.clock.now()


def test_after_a_digest_the_next_script_opens_a_new_window(house: House) -> None:
    house.hear(allocated("ada"))
    house.clock.advance(timedelta(minutes=15))
    house.fire_digests()
    house.hear(allocated("bob"))
    house.clock.advance(timedelta(minutes=15))
    house.fire_digests()
    assert len(house.deliveries()) == 2


def test_a_digest_that_fires_with_nothing_to_tell_sends_nothing(house: House) -> None:
    house.hear(allocated("ada"))
    house.clock.advance(timedelta(minutes=15))
    house.fire_digests()
    house.fire_for("tom")
    assert len(house.deliveries()) == 1


def test_a_move_is_told_to_both_tutors_by_digest(house: House) -> None:
    house.hear(person("una", email="una@example.org"), moved("ada", from_tutor_ref="tom", tutor_ref="una"))
    assert {o["state"] for o in house.obligations()} == {"pending"}
    house.clock.advance(timedelta(minutes=15))
    house.fire_digests()
    assert {d["person_ref"] for d in house.deliveries()} == {"tom", "una"}


def test_without_a_window_a_run_is_one_delivery_a_tutor(tmp_path: Path) -> None:
    house = House(tmp_path, window=timedelta(0))
    house.hear(person("tom"), person("una"))
    house.hear(allocated("ada"), allocated("bob"), allocated("cyd", tutor_ref="una"))
    assert sorted(d["person_ref"] for d in house.deliveries()) == ["tom", "una"]
    house.hear(allocated("dan"))
    assert len(house.deliveries()) == 3


@pytest.mark.parametrize("kind", [received, refused, not_taken, chosen, allocated])
def test_a_run_of_500_facts_takes_as_many_statements_as_a_run_of_five(house: House, kind: type[Fact]) -> None:
    small = [kind(f"s{number}") for number in range(5)]
    large = [kind(f"t{number}") for number in range(500)]
    house.hear(*(person(fact.person_ref, email=f"{fact.person_ref}@example.org") for fact in (*small, *large)))
    house.hear(allocated("zoe"))
    with house.counting() as for_few:
        house.hear(*small)
    with house.counting() as for_many:
        house.hear(*large)
    assert len(for_many) == len(for_few)
    with house.database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(obligations)) >= 505
        assert connection.scalar(sa.select(sa.func.count()).select_from(deliveries)) == len(
            {o["delivery_id"] for o in house.obligations() if o["delivery_id"]}
        )


def test_releasing_500_held_obligations_takes_as_many_statements_as_releasing_five(house: House) -> None:
    house.hear(*(received(f"s{number}") for number in range(5)), *(received(f"t{number}") for number in range(500)))
    with house.counting() as for_few:
        house.hear(*(person(f"s{number}") for number in range(5)))
    with house.counting() as for_many:
        house.hear(*(person(f"t{number}") for number in range(500)))
    assert len(for_many) == len(for_few)
    assert {o["state"] for o in house.obligations()} == {"assigned"}
