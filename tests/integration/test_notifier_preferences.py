"""How people are told as they chose: daily, under Messages alone, at once; and what waits when they choose again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.obligations.domain import RULES, Purpose
from services.notifier.personal import NotifierKeeps
from services.notifier.preferences.domain import Way, next_digest
from services.notifier.preferences.handlers import PersonErased as NothingToChoose
from services.notifier.preferences.store import preferences
from shared.contracts import Fact, PersonErased
from shared.persons import PersonKeeper
from tests.integration.notifier_house import House
from tests.unit.notifier_facts import NOON, allocated, assignment, chosen, corrected, not_taken, person, received

MORNING = datetime(2026, 11, 3, 7, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.hear(assignment(), person("ada"), person("tom", name="Tom", email="tom@example.org"))
    return made


def told(house: House) -> list[tuple[str, str, str]]:
    """Of each delivery its person, state and reason."""
    return [(row["person_ref"], row["state"], row["reason"]) for row in house.deliveries()]


def subjects(house: House) -> list[str]:
    house.send()
    return [mail.subject for mail in house.scripted.mails]


def at(house: House, moment: datetime) -> None:
    house.clock.advance(moment - house.clock.now())
    house.fire_digests()


def test_who_chose_the_daily_digest_gets_one_mail_at_seven_and_receipts_at_once(house: House) -> None:
    house.choose("ada", Way.DAILY)
    house.hear(received("ada"), chosen("ada"), corrected("ada"))
    assert subjects(house) == ["Work received: K827 TMA 01"]
    at(house, MORNING - timedelta(seconds=1))
    assert len(subjects(house)) == 1
    at(house, MORNING)
    assert subjects(house)[1:] == ["2 pieces of news about your work"]
    at(house, MORNING + timedelta(days=1))
    assert len(subjects(house)) == 2


def test_each_morning_has_its_own_mail_and_a_morning_without_news_none(house: House) -> None:
    house.choose("ada", Way.DAILY)
    house.hear(chosen("ada"))
    at(house, MORNING)
    at(house, MORNING + timedelta(days=1))
    house.hear(corrected("ada"))
    at(house, MORNING + timedelta(days=2))
    assert len(subjects(house)) == 2


def test_who_is_told_under_messages_alone_gets_no_mail_but_receipts(house: House) -> None:
    house.choose("ada", Way.INBOX_ONLY)
    house.hear(chosen("ada"), received("ada"))
    assert Counter(told(house)) == Counter([("ada", "suppressed", "inbox_only"), ("ada", "queued", "")])
    assert subjects(house) == ["Work received: K827 TMA 01"]
    assert {row["state"] for row in house.obligations()} == {"assigned"}


def test_who_chooses_at_once_is_told_now_of_all_that_waited_and_never_again(house: House) -> None:
    house.choose("ada", Way.DAILY)
    house.hear(chosen("ada"), corrected("ada"))
    house.choose("ada", Way.AT_ONCE)
    assert subjects(house) == ["2 pieces of news about your work"]
    at(house, MORNING)
    assert len(subjects(house)) == 1


def test_who_chooses_the_inbox_is_not_mailed_what_waited(house: House) -> None:
    house.hear(allocated("ada"), allocated("bob"))
    house.choose("tom", Way.INBOX_ONLY)
    assert told(house) == [("tom", "suppressed", "inbox_only")]
    assert len({row["delivery_id"] for row in house.obligations()}) == 1
    at(house, MORNING)
    assert subjects(house) == []


def test_what_gathers_for_a_while_waits_for_the_morning_once_that_is_chosen(house: House) -> None:
    house.hear(allocated("ada"))
    house.choose("tom", Way.DAILY)
    house.hear(allocated("bob"))
    at(house, NOON + timedelta(minutes=15))
    assert (house.deliveries(), house.digests_set()) == ([], {"tom": MORNING})
    at(house, MORNING)
    assert subjects(house) == ["New scripts to mark: K827 TMA 01"]


def test_after_the_daily_digest_was_given_up_scripts_are_gathered_for_a_while_again(house: House) -> None:
    house.choose("tom", Way.DAILY)
    house.hear(allocated("ada"))
    house.choose("tom", Way.AT_ONCE)
    house.hear(allocated("bob"))
    assert house.digests_set() == {"tom": NOON + timedelta(minutes=15)}


def test_the_same_choice_again_changes_nothing(house: House) -> None:
    house.choose("ada", Way.DAILY)
    first = house.choosing.preference_of("ada")
    house.hear(chosen("ada"))
    house.clock.advance(timedelta(hours=1))
    house.choose("ada", Way.DAILY)
    assert house.choosing.preference_of("ada") == first
    assert house.deliveries() == []


def test_who_never_chose_is_told_at_once(house: House) -> None:
    preference = house.choosing.preference_of("ada")
    assert (preference.way, preference.chosen_at) == (Way.AT_ONCE, None)


def test_a_choice_of_a_stranger_holds_when_they_become_known(house: House) -> None:
    house.choose("eve", Way.DAILY)
    house.hear(chosen("eve"), person("eve", email="eve@example.org"))
    assert house.digests_set() == {"eve": MORNING}


def test_what_a_stranger_was_owed_for_long_still_waits_for_the_next_morning(house: House) -> None:
    house.choose("eve", Way.DAILY)
    house.hear(chosen("eve"))
    house.clock.advance(timedelta(days=2))
    house.hear(person("eve", email="eve@example.org"))
    assert house.digests_set() == {"eve": MORNING + timedelta(days=2)}


def test_a_digest_survives_a_restart_and_an_outage_over_its_hour(house: House) -> None:
    house.choose("ada", Way.DAILY)
    house.hear(chosen("ada"))
    house.clock.advance(timedelta(days=3))
    house.fire_digests()
    assert subjects(house) == ["Your later version is taken: K827 TMA 01"]


def test_two_processes_that_fire_send_one_digest(house: House) -> None:
    house.choose("ada", Way.DAILY)
    house.hear(chosen("ada"))
    at(house, MORNING)
    house.fire_digests()
    house.fire_for("ada")
    assert len(house.deliveries()) == 1


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)])
def test_a_digest_comes_at_seven_also_on_the_morning_after_clocks_changed(house: House, day: datetime) -> None:
    house.clock.advance(day - house.clock.now())
    house.choose("ada", Way.DAILY)
    house.hear(chosen("ada"))
    due = house.digests_set()["ada"]
    assert due == next_digest(day, hour=7)
    at(house, due - timedelta(seconds=1))
    assert house.deliveries() == []
    at(house, due)
    assert len(house.deliveries()) == 1


@pytest.mark.parametrize("way", list(Way))
def test_a_run_of_500_facts_to_500_persons_takes_as_many_statements_as_one_of_five(house: House, way: Way) -> None:
    few, many = [f"s{number}" for number in range(5)], [f"t{number}" for number in range(500)]
    house.hear(*(person(ref) for ref in (*few, *many)))
    with house.database.transaction() as tx:
        for ref in (*few, *many):
            house.stores.preferences.save(ref, way, tx)
    with house.counting() as for_few:
        house.hear(*(corrected(ref) for ref in few))
    with house.counting() as for_many:
        house.hear(*(corrected(ref) for ref in many))
    assert len(for_many) == len(for_few)


def test_an_erased_person_chooses_nothing_waits_for_nothing_and_leaves_no_choice(house: House) -> None:
    keeps = NotifierKeeps(house.database, owed=house.owed, stores=house.stores, channel=house.channel)
    house.table |= PersonKeeper(house.database, keeps).table()
    house.choose("ada", Way.DAILY)
    house.hear(chosen("ada"))
    house.hear(PersonErased(person_ref="ada"))
    assert told(house) == [("ada", "suppressed", "no_address")]
    with pytest.raises(NothingToChoose):
        house.choose("ada", Way.AT_ONCE)
    with house.database.reading() as connection:
        assert connection.execute(sa.select(preferences)).all() == []


def test_the_database_refuses_a_way_that_there_is_not(house: House) -> None:
    house.choose("ada", Way.DAILY)
    with pytest.raises(sa.exc.IntegrityError), house.database.transaction() as tx:
        tx.connection.execute(preferences.update().values(way="by pigeon"))


STEPS = st.one_of(
    st.sampled_from(list(Way)),
    st.sampled_from([received, chosen, corrected, not_taken, allocated]),
    st.sampled_from([timedelta(minutes=1), timedelta(minutes=16), timedelta(hours=7), timedelta(hours=25)]),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=14))
def test_whatever_is_chosen_when_each_thing_is_told_once_and_receipts_at_once(
    steps: list[Way | Callable[..., Fact] | timedelta],
) -> None:
    """Tom is both the student and the tutor of all of it."""
    with TemporaryDirectory() as folder:
        house, events = House(Path(folder)), count()
        house.hear(assignment(), person("tom"))
        for step in steps:
            if isinstance(step, Way):
                house.choose("tom", step)
            elif isinstance(step, timedelta):
                house.clock.advance(step)
                house.fire_digests()
            else:
                house.hear_again(step("tom"), event_id=f"event {next(events)}")
            assert_urgent_is_on_its_way(house)
        house.clock.advance(timedelta(days=2))
        house.fire_digests()
        house.send()
        assert_each_was_told_once(house)
        house.database.close()


def assert_urgent_is_on_its_way(house: House) -> None:
    deliveries = {row["delivery_id"]: row for row in house.deliveries()}
    for owed in house.obligations():
        if not RULES[Purpose(owed["purpose"])].may_wait:
            delivery = deliveries[owed["delivery_id"]]
            assert (delivery["state"], delivery["created_at"]) == ("queued", owed["created_at"])


def assert_each_was_told_once(house: House) -> None:
    deliveries = {row["delivery_id"]: row for row in house.deliveries()}
    mailed = Counter(mail.delivery_id for mail in house.scripted.mails)
    assert set(mailed.values()) <= {1}
    told_by = Counter(owed["delivery_id"] for owed in house.obligations())
    assert told_by.keys() == deliveries.keys()
    for delivery_id, row in deliveries.items():
        expected = {"sent": 1, "suppressed": 0}[row["state"]]
        assert mailed[delivery_id] == expected
        assert (row["state"] == "suppressed") == (row["reason"] == "inbox_only")
