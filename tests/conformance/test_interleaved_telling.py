"""Two processes owe, gather and send, and sign people in, at once, in every interleaving of their statements."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.identity.grants.handlers import ImportedRoles
from services.identity.grants.store import GrantStore
from services.identity.people.handlers import People, PersonEntry
from services.identity.people.store import PeopleStore
from services.identity.sessions.handlers import Sessions
from services.identity.sessions.store import SessionStore, session_table
from services.identity.tables import metadata as identity
from services.notifier.channels.port import Fate, Outcome
from services.notifier.deliveries.handlers import DIGEST
from services.notifier.deliveries.store import resendings
from services.notifier.preferences.domain import Way
from shared.clock import Clock
from shared.contracts import Fact
from shared.database import Database
from shared.errors import NotFound
from shared.keys import load_or_create_key
from shared.messaging.tables import timer
from shared.timers import TimersLoop
from shared.web.tokens import SessionSigner
from tests.integration.notifier_house import House
from tests.support.databases import ManualClock, make_server_database
from tests.support.interleaving import Work, interleaved
from tests.unit.notifier_facts import allocated, assignment, corrected, person, received

pytestmark = pytest.mark.cluster

GO = threading.Event()
EITHER = pytest.mark.parametrize("swap", [False, True])


def on_server(metadata: sa.MetaData, _folder: Path, source: str, clock: Clock) -> Database:
    return make_server_database(metadata, source, clock)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, make=on_server)
    house.hear(assignment())
    yield house
    house.database.close()


def hearing(house: House, fact: Fact) -> Work:
    event_id = f"event of {fact.key}"
    return lambda: house.hear_again(fact, event_id=event_id)


def states_of(house: House, person_ref: str) -> list[str]:
    return [row["state"] for row in house.obligations() if row["person_ref"] == person_ref]


@EITHER
def test_what_is_owed_to_somebody_just_met_is_not_held_for_ever(house: House, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        ref = f"p{number}"
        works = hearing(house, received(ref)), hearing(house, person(ref))
        return works[::-1] if swap else works

    for number, ends in interleaved(house.database, scene):
        assert (ends.first, ends.second) == (None, None)
        assert states_of(house, f"p{number}") == ["assigned"]


def test_one_event_makes_one_obligation(house: House) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        house.hear(person(f"p{number}"))
        fact = received(f"p{number}")
        return hearing(house, fact), hearing(house, fact)

    for number, ends in interleaved(house.database, scene):
        assert (ends.first, ends.second) == (None, None)
        assert states_of(house, f"p{number}") == ["assigned"]
        assert len([row for row in house.deliveries() if row["person_ref"] == f"p{number}"]) == 1


@EITHER
def test_what_comes_while_a_digest_fires_is_in_it_or_has_a_digest_to_come(house: House, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        tutor = f"t{number}"
        house.hear(person(tutor))
        house.hear(allocated(f"p{number}a", tutor_ref=tutor))
        house.clock.advance(timedelta(minutes=15))
        loop = TimersLoop(house.database, {DIGEST: house.dispatcher.fire})
        works = (lambda: loop.step(GO)), hearing(house, allocated(f"p{number}b", tutor_ref=tutor))
        return works[::-1] if swap else works

    for number, ends in interleaved(house.database, scene):
        assert {type(ends.first), type(ends.second)} == {bool, type(None)}, ends
        with house.database.reading() as connection:
            waiting = connection.execute(sa.select(timer).where(timer.c.key == f"t{number}")).all()
        assert ("pending" in states_of(house, f"t{number}")) == bool(waiting)
        assert len(states_of(house, f"t{number}")) == 2


@EITHER
@pytest.mark.parametrize("way", list(Way))
def test_who_chooses_while_a_digest_fires_is_told_once(house: House, way: Way, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        tutor = f"t{number}"
        house.hear(person(tutor), allocated(f"p{number}", tutor_ref=tutor))
        house.clock.advance(timedelta(minutes=15))
        loop = TimersLoop(house.database, {DIGEST: house.dispatcher.fire})
        works = (lambda: loop.step(GO)), (lambda: house.choose(tutor, way))
        return works[::-1] if swap else works

    for number, ends in interleaved(house.database, scene):
        assert {type(ends.first), type(ends.second)} == {bool, type(None)}, ends
        told = [row for row in house.deliveries() if row["person_ref"] == f"t{number}"]
        waits = states_of(house, f"t{number}") == ["pending"]
        assert (len(told), waits) in {(1, False), (0, True)}
        assert waits == (f"t{number}" in house.digests_set())
        assert way is Way.DAILY or not waits


@EITHER
def test_what_comes_while_somebody_chooses_goes_one_way_or_the_other(house: House, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        student = f"p{number}"
        house.hear(person(student))
        house.choose(student, Way.DAILY)
        works = hearing(house, corrected(student)), (lambda: house.choose(student, Way.INBOX_ONLY))
        return works[::-1] if swap else works

    for number, ends in interleaved(house.database, scene):
        assert (ends.first, ends.second) == (None, None)
        assert states_of(house, f"p{number}") == ["assigned"]
        assert [row["state"] for row in house.deliveries() if row["person_ref"] == f"p{number}"] == ["suppressed"]


def test_two_who_send_a_failed_message_again_send_it_once(house: House) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        house.hear(person(f"p{number}"), received(f"p{number}"))
        house.scripted.answers = [Outcome(Fate.REJECTED, "smtp_550")]
        house.send()
        (failed,) = (row for row in house.deliveries() if row["state"] == "failed")
        again = partial(house.desk.send_again, failed["delivery_id"], actor="operations:olga")
        return again, again

    for number, ends in interleaved(house.database, scene):
        assert (ends.first, ends.second) == ("queued", "queued")
        house.send()
        assert [row["attempts"] for row in house.deliveries() if row["person_ref"] == f"p{number}"] == [2]
        with house.database.reading() as connection:
            noted = sa.select(sa.func.count()).select_from(resendings)
            assert connection.scalar(noted) == number


def test_two_senders_send_a_message_once(house: House) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        house.hear(person(f"p{number}"), received(f"p{number}"))
        one, other = house.sender(alone=False), house.sender(alone=False)
        return lambda: one.step(GO), lambda: other.step(GO)

    for _, ends in interleaved(house.database, scene):
        assert {ends.first, ends.second} == {True, False}, ends
        assert {row["state"] for row in house.deliveries()} == {"sent"}
    sent = [mail.message_id for mail in house.scripted.mails]
    assert len(sent) == len(set(sent))
    assert len(sent) == len(house.published())


@EITHER
def test_a_role_that_is_withdrawn_has_no_session_left(tmp_path: Path, *, swap: bool) -> None:
    clock = ManualClock()
    database = make_server_database(identity, "identity", clock)
    store = SessionStore()
    grants = GrantStore()
    people = People(PeopleStore(), ImportedRoles(grants, store))
    signer = SessionSigner(load_or_create_key(tmp_path / "session.json"), clock)
    sessions = Sessions(database=database, store=store, grants=grants, signer=signer)

    def recording(number: int, *roles: str) -> Work:
        def record() -> None:
            with database.transaction() as tx:
                people.record([PersonEntry(name="Tess", email=None, roles=roles, staff_number=f"S{number}")], tx)

        return record

    def scene(number: int) -> tuple[Work, Work]:
        recording(number, "tutor", "operations")()
        works = (lambda: sessions.sign_in(role="operations", identifier=f"S{number}")), recording(number, "tutor")
        return works[::-1] if swap else works

    for _, ends in interleaved(database, scene):
        assert {type(ends.first), type(ends.second)} <= {str, NotFound, type(None)}, ends
        with database.reading() as connection:
            still_open = sa.select(session_table.c.session_id).where(session_table.c.ended_at.is_(None))
            assert connection.execute(still_open).all() == []
    database.close()
