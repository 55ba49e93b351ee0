"""The desk over the real dead letters of a service, in its own process and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.operations.dead_letters.handlers import DeadLetterDesk
from shared.contracts import DeliverySent, Fact, fact_type
from shared.database import Database, Transaction
from shared.errors import Conflict, NotFound
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.message import Message
from shared.messaging.tables import dead_letter
from shared.web.remote_inspection import RemoteDeadLetters
from tests.integration.operations_house import NOON
from tests.support.databases import ManualClock, make_database
from tests.support.elsewhere import Silent, elsewhere

heard: list[str] = []


def hear(facts: Sequence[DeliverySent], tx: Transaction) -> None:
    if any(fact.delivery_id == "bad" for fact in facts):
        raise KeyError("secret")
    heard.extend(tx.message_of(fact).id for fact in facts)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    heard.clear()
    return make_database(sa.MetaData(), tmp_path, "marking", ManualClock(NOON))


@pytest.fixture(params=["here", "elsewhere"])
def desk(database: Database, request: pytest.FixtureRequest) -> Iterator[DeadLetterDesk]:
    letters = DeadLetters(database, Consumer(database=database, handlers={DeliverySent: hear}))
    if request.param == "here":
        yield DeadLetterDesk({"marking": letters})
        return
    with elsewhere("marking", Silent(), letters) as service:
        yield DeadLetterDesk({"marking": RemoteDeadLetters(service)})


def bury(database: Database, *states: str, delivery_id: str = "d") -> None:
    fact = DeliverySent(delivery_id=delivery_id, person_ref="p", purposes=("receipt",), work_ids=("w",), sent_at=NOON)
    rows = [_row(fact, offset, state) for offset, state in enumerate(states)]
    with database.transaction() as tx:
        tx.connection.execute(sa.insert(dead_letter), rows)


def _row(fact: Fact, offset: int, state: str) -> dict[str, object]:
    message = Message(
        id=f"e{offset}",
        type=fact_type(type(fact)),
        source="notifier",
        topic=fact.topic.name,
        key=fact.key,
        time=NOON,
        sequence=offset + 1,
        correlation_id="c",
        causation_id=None,
        actor="system",
        value=fact.model_dump_json().encode(),
    )
    return {
        "consumer": "marking",
        "state": state,
        "topic": message.topic,
        "partition": 0,
        "offset": offset,
        "key": message.key,
        "headers": message.headers(),
        "value": message.value,
        "reason": "KeyError",
        "attempts": 3,
        "buried_at": NOON,
    }


def test_all_are_listed_however_many(database: Database, desk: DeadLetterDesk) -> None:
    bury(database, *["buried"] * 150)
    assert len(desk.list()) == 150


def test_one_is_shown_with_its_headers_and_bytes(database: Database, desk: DeadLetterDesk) -> None:
    bury(database, "buried")
    shown = desk.show("marking", "1")
    headers = shown["headers"]
    assert isinstance(headers, dict)
    assert headers["ce_id"] == "e0"
    assert '"delivery_id":"d"' in str(shown["value"])


def test_a_replay_runs_the_buried_one_and_what_is_parked_behind(database: Database, desk: DeadLetterDesk) -> None:
    bury(database, "buried", "parked")
    assert desk.replay("marking", "1") == {"outcome": 2}
    assert heard == ["e0", "e1"]
    assert desk.list() == []
    assert desk.show("marking", "1")["resolution"] == "replayed by operations:command-line"


def test_a_discard_is_recorded_with_who_and_why(database: Database, desk: DeadLetterDesk) -> None:
    bury(database, "buried", "parked")
    desk.discard("marking", "1", reason="a test")
    assert desk.show("marking", "1")["resolution"] == "discarded by operations:command-line: a test"
    assert [found.letter["id"] for found in desk.list()] == [2]


def test_what_is_not_buried_cannot_be_replayed(database: Database, desk: DeadLetterDesk) -> None:
    bury(database, "buried", "parked")
    with pytest.raises(Conflict):
        desk.replay("marking", "2")


def test_what_still_fails_stays_with_words_that_tell_no_secret(database: Database, desk: DeadLetterDesk) -> None:
    bury(database, "buried", delivery_id="bad")
    with pytest.raises(Conflict, match=r"Dead letter 1 stays buried, with what waits behind it: KeyError\.$"):
        desk.replay("marking", "1")
    assert [found.letter["state"] for found in desk.list()] == ["buried"]


def test_every_byte_is_shown(database: Database, desk: DeadLetterDesk) -> None:
    bury(database, "buried")
    with database.transaction() as tx:
        tx.connection.execute(sa.update(dead_letter).values(value=b"\xff\x00>?"))
    assert desk.services["marking"].show("1").value == b"\xff\x00>?"


@pytest.mark.parametrize("letter_id", ["77", "1/replay", "../status", "", "9" * 30, "?"])
def test_an_unknown_letter_is_not_found(desk: DeadLetterDesk, letter_id: str) -> None:
    with pytest.raises(NotFound):
        desk.show("marking", letter_id)
