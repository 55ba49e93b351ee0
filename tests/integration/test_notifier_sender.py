"""How messages go out: in batches, under one Message-ID for ever, through crashes and outages."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifier.channels.file_channel import FileChannel
from services.notifier.channels.port import Fate, Outcome
from services.notifier.deliveries.store import has_unfinished
from services.notifier.obligations.store import ObligationStore
from shared.contracts import DeliveryFailed, DeliverySent
from shared.errors import Unavailable
from tests.integration.notifier_house import Crash, House
from tests.unit.notifier_facts import NOON, allocated, assignment, person, received, refused

GO = threading.Event()


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.hear(assignment(), person("ada", name="Ada Lovelace"), person("tom", name="Tom", email="tom@example.org"))
    return made


def states(house: House) -> list[str]:
    return [delivery["state"] for delivery in house.deliveries()]


def test_a_receipt_is_sent_and_announced(house: House) -> None:
    fact = received("ada")
    house.hear(fact)
    house.send()
    (mail,), (delivery,) = house.scripted.mails, house.deliveries()
    assert (mail.to, mail.subject) == ("ada@example.org", "Work received: K827 TMA 01")
    assert (mail.message_id, mail.date) == (delivery["message_id"], NOON)
    assert f"https://etma.example/receipts/{fact.submission_id}" in mail.text
    assert (delivery["state"], delivery["attempts"]) == ("sent", 1)
    (sent,) = house.published()
    assert isinstance(sent, DeliverySent)
    assert (sent.delivery_id, sent.purposes, sent.work_ids) == (mail.delivery_id, ("receipt",), (fact.work_id,))


def test_an_assignment_that_is_not_known_is_called_by_its_id(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.hear(person("ada"), refused("ada"))
    house.send()
    assert house.scripted.mails[0].subject == "Work not accepted: K827-26J-TMA01"


def test_a_digest_names_all_works_in_its_fact(house: House) -> None:
    facts = [allocated("ada"), allocated("bob")]
    house.hear(*facts)
    house.clock.advance(timedelta(minutes=15))
    house.fire_digests()
    house.send()
    (sent,) = house.published()
    assert isinstance(sent, DeliverySent)
    assert set(sent.work_ids) == {fact.work_id for fact in facts}
    assert len(house.scripted.mails) == 1


def test_a_crash_after_handing_over_sends_again_under_the_same_id(house: House) -> None:
    house.hear(received("ada"))
    house.scripted.answers = [Crash()]
    with pytest.raises(Crash):
        house.sender().step(GO)
    assert states(house) == ["sending"]
    house.send()
    first, again = house.scripted.mails
    assert first == again
    assert states(house) == ["sent"]
    assert house.deliveries()[0]["attempts"] == 2
    assert len(house.published()) == 1


def test_a_running_sender_takes_over_what_another_has_had_for_a_minute_and_no_sooner(house: House) -> None:
    running = house.sender()
    running.step(GO)
    house.hear(received("ada"))
    house.scripted.answers = [Crash()]
    with pytest.raises(Crash):
        house.sender().step(GO)
    house.clock.advance(timedelta(seconds=59))
    assert not running.step(GO)
    house.clock.advance(timedelta(seconds=1))
    assert running.step(GO)
    assert states(house) == ["sent"]


def test_one_that_starts_beside_others_leaves_them_what_they_have_in_hand(house: House) -> None:
    house.hear(received("ada"))
    house.scripted.answers = [Crash()]
    with pytest.raises(Crash):
        house.sender().step(GO)
    assert not house.sender(alone=False).step(GO)
    assert states(house) == ["sending"]


def test_one_who_lost_the_claim_announces_nothing(house: House) -> None:
    house.hear(received("ada"))
    slow, quick = house.sender(), house.sender()

    class TakenOverMeanwhile:
        def send_all(self, mails: list[object]) -> list[Outcome]:
            quick.step(GO)
            return [Outcome.accepted() for _ in mails]

    slow.channel = TakenOverMeanwhile()
    slow.step(GO)
    assert len(house.published()) == 1
    assert states(house) == ["sent"]


def test_an_outage_waits_longer_each_time_and_never_gives_up(house: House) -> None:
    house.hear(received("ada"))
    sender = house.sender()
    house.scripted.answers = [Unavailable()] * 20
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, *[300] * 11]:
        assert not sender.step(GO)
        assert states(house) == ["queued"]
        house.clock.advance(timedelta(seconds=seconds) - timedelta(milliseconds=1))
        tried = house.deliveries()[0]["attempts"]
        assert not sender.step(GO)
        assert house.deliveries()[0]["attempts"] == tried
        house.clock.advance(timedelta(milliseconds=1))
    assert sender.step(GO)
    assert states(house) == ["sent"]


def test_in_a_replay_where_the_clock_stands_an_outage_is_tried_again_at_once(house: House) -> None:
    house.clock.simulated = True
    house.hear(received("ada"))
    house.scripted.answers = [Unavailable()]
    sender = house.sender()
    sender.step(GO)
    assert sender.step(GO)
    assert states(house) == ["sent"]


def test_a_rejected_mail_fails_and_is_announced(house: House) -> None:
    fact = received("ada")
    house.hear(fact)
    house.scripted.answers = [Outcome(Fate.REJECTED, "bad_address")]
    house.send()
    (failed,) = house.published()
    assert isinstance(failed, DeliveryFailed)
    assert (failed.reason, failed.work_ids) == ("bad_address", (fact.work_id,))
    assert states(house) == ["failed"]


def test_a_mail_that_nobody_understands_is_tried_five_times_and_does_not_stop_the_others(house: House) -> None:
    house.hear(received("ada"), received("ada", version=2))
    house.scripted.poison = house.deliveries()[0]["delivery_id"]
    sender = house.sender()
    for _ in range(10):
        sender.step(GO)
        house.clock.advance(timedelta(minutes=5))
    by_id = {delivery["delivery_id"]: delivery for delivery in house.deliveries()}
    poisoned = by_id.pop(house.scripted.poison)
    assert (poisoned["state"], poisoned["attempts"], poisoned["reason"]) == ("failed", 5, "KeyError")
    assert [delivery["state"] for delivery in by_id.values()] == ["sent"]
    assert len(house.scripted.mails) == 1


def test_a_delivery_that_can_never_go_out_fails_with_a_reason_and_the_others_go_on(house: House) -> None:
    house.hear(person("bob"), person("cyd"), person("dan"))
    house.hear(received("bob"), received("cyd"), received("dan"), received("ada"))
    ids = {delivery["person_ref"]: delivery["delivery_id"] for delivery in house.deliveries()}
    damage(
        house,
        "INSERT INTO delivery SELECT 'empty', person_ref, '<x@y>', correlation_id, state, reason, attempts,"
        " uncertain_attempts, created_at, next_try_at, owner, claimed_at, finished_at FROM delivery LIMIT 1",
    )
    damage(house, "DELETE FROM person WHERE person_ref = 'bob'")
    damage(house, "UPDATE person SET email = NULL WHERE person_ref = 'cyd'")
    damage(house, "UPDATE obligation SET purpose = 'gossip' WHERE person_ref = 'dan'")
    house.send()
    reasons = {delivery["delivery_id"]: delivery["reason"] for delivery in house.deliveries()}
    assert reasons == {
        "empty": "nothing_to_tell",
        ids["bob"]: "person_unknown",
        ids["cyd"]: "no_address",
        ids["dan"]: "unreadable",
        ids["ada"]: "",
    }
    assert sorted(states(house)) == ["failed"] * 4 + ["sent"]
    assert [mail.delivery_id for mail in house.scripted.mails] == [ids["ada"]]
    assert sorted(type(fact).__name__ for fact in house.published()) == ["DeliveryFailed"] * 4 + ["DeliverySent"]


def test_what_a_sender_could_not_mark_goes_again_at_its_next_step(house: House) -> None:
    house.hear(received("ada"))
    sender = house.sender()
    sender.stores = replace(sender.stores, obligations=AwayOnce())
    with pytest.raises(Unavailable):
        sender.step(GO)
    assert states(house) == ["sending"]
    assert sender.step(GO)
    assert states(house) == ["sent"]


class AwayOnce(ObligationStore):
    """A database that is away for one look."""

    def __init__(self) -> None:
        self.away = True

    def of_deliveries(self, *args: Any, **kwargs: Any) -> Any:
        if self.away:
            self.away = False
            raise Unavailable
        return super().of_deliveries(*args, **kwargs)


def damage(house: House, statement: str) -> None:
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql(statement)


def test_a_suppressed_delivery_is_never_sent(house: House) -> None:
    house.hear(person("bob", email=None), received("bob"))
    house.send()
    assert house.scripted.mails == []
    assert states(house) == ["suppressed"]


def test_a_sender_that_is_told_to_stop_claims_nothing(house: House) -> None:
    house.hear(received("ada"))
    stop = threading.Event()
    stop.set()
    assert not house.sender().step(stop)
    assert states(house) == ["queued"]


def test_one_step_takes_a_batch_in_a_constant_number_of_statements(house: House) -> None:
    house.hear(*(received("ada", version=number + 1) for number in range(205)))
    sender = house.sender(batch_size=200)
    with house.counting() as for_many:
        assert sender.step(GO)
    with house.counting() as for_few:
        assert sender.step(GO)
    assert not sender.step(GO)
    assert len(for_many) == len(for_few)
    assert len(house.scripted.mails) == 205


@pytest.mark.sqlite
def test_looking_for_work_reads_an_index_of_what_is_unfinished(house: House) -> None:
    house.hear(received("ada"))
    with house.counting() as statements:
        assert has_unfinished(house.database)
        house.sender().step(GO)
        assert not has_unfinished(house.database)
    looks = [each for each in statements if "FROM delivery" in each and "ORDER BY delivery.next_try_at" in each]
    looks += [each for each in statements if "EXISTS" in each]
    assert len(looks) == 4
    for look in looks:
        with house.database.reading() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {look}", ("x",) * look.count("?")).all()
        assert "ix_delivery_unfinished" in str(plan), plan


def test_mails_go_out_by_the_hundreds_a_second(tmp_path: Path) -> None:
    house = House(tmp_path, channel=FileChannel(tmp_path / "mail"))
    house.hear(assignment(), person("ada"))
    house.hear(*(received("ada", version=number + 1) for number in range(1000)))
    began = time.perf_counter()
    house.send()
    assert len(list((tmp_path / "mail").rglob("*.eml"))) == 1000
    assert time.perf_counter() - began < 10
