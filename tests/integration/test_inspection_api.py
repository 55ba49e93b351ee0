"""The addresses for operations alone: who may ask, and what an answer looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from services.identity.inspection import IdentityInspection
from services.identity.people.store import person_table
from services.identity.tables import metadata
from shared.clock import SystemClock
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.local_bus import LocalBus
from shared.web.inspection_api import FACTS_ADDRESS, LETTERS_ADDRESS, STATUS_ADDRESS
from shared.web.sessions import COOKIE
from shared.web.tokens import SERVICE_LIFE, ServiceTokens
from tests.support.callers import SERVICE_KEY, SERVICES, session_token
from tests.support.databases import ManualClock, make_database
from tests.support.elsewhere import inspection_app

FACTS = f"{FACTS_ADDRESS}?kind=persons"
ADDRESSES = [
    ("GET", FACTS),
    ("GET", STATUS_ADDRESS),
    ("GET", LETTERS_ADDRESS),
    ("GET", f"{LETTERS_ADDRESS}/1"),
    ("POST", f"{LETTERS_ADDRESS}/1/replay"),
    ("POST", f"{LETTERS_ADDRESS}/1/discard"),
]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Of an identity service that knows three people, with the token of a service."""
    database = make_database(metadata, tmp_path, "identity", SystemClock())
    people = [{"person_ref": ref, "identifier": ref, "revision": 1, "name": "Ann"} for ref in ("a", "b", "é")]
    with database.transaction() as tx:
        tx.connection.execute(sa.insert(person_table), people)
    bus = LocalBus(f"sqlite:///{tmp_path / 'bus.db'}", clock=SystemClock(), topics=["etma.person.v1"])
    letters = DeadLetters(database, Consumer(database=database, handlers={}))
    yield TestClient(
        inspection_app(IdentityInspection(database, bus), letters), headers=bearer(SERVICES.issue("operations"))
    )
    bus.close()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("role", ["student", "tutor", "operations", "admin"])
@pytest.mark.parametrize(("method", "address"), ADDRESSES)
def test_no_person_is_let_in(client: TestClient, method: str, address: str, role: str) -> None:
    answer = client.request(method, address, headers=bearer(session_token(role)))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(("method", "address"), ADDRESSES)
def test_nobody_is_let_in_without_a_token_of_now(client: TestClient, method: str, address: str) -> None:
    then = ServiceTokens(SERVICE_KEY, ManualClock(SystemClock().now() - SERVICE_LIFE))
    ended = client.request(method, address, headers=bearer(then.issue("operations")))
    of_a_person = client.request(method, address, headers=bearer(session_token("service")))
    del client.headers["authorization"]
    cookie = client.request(method, address, headers={"cookie": f"{COOKIE}={SERVICES.issue('operations')}"})
    nothing = client.request(method, address)
    for answer in (ended, of_a_person, cookie, nothing):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_page_is_a_row_a_line_and_ends_with_its_watermark(client: TestClient) -> None:
    first = client.get(f"{FACTS}&limit=2")
    assert first.headers["content-type"] == "application/x-ndjson"
    *rows, last = map(json.loads, first.text.splitlines())
    assert ([row["person_ref"] for row in rows], last) == (["a", "b"], {"watermark": "b"})
    (row, last) = map(json.loads, client.get(f"{FACTS}&after=b").text.splitlines())
    assert (row["person_ref"], last) == ("é", {"watermark": "é"})
    assert client.get(f"{FACTS}&after=é").text == '{"watermark": "\\u00e9"}\n'


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        (f"{FACTS_ADDRESS}?kind=secrets", 404, "unknown_kind"),
        (f"{FACTS_ADDRESS}?kind=outbox&after=x", 422, "bad_position"),
        (FACTS_ADDRESS, 422, "invalid_request"),
        (f"{FACTS}&limit=0", 422, "invalid_request"),
        (f"{FACTS}&limit=1001", 422, "invalid_request"),
        (f"{LETTERS_ADDRESS}?after=-1", 422, "invalid_request"),
        (f"{LETTERS_ADDRESS}?after={10**18}", 422, "invalid_request"),
        (f"{LETTERS_ADDRESS}/{10**30}", 404, "not_found"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_with_a_code(
    client: TestClient, address: str, status: int, code: str
) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_a_command_says_who_gives_it(client: TestClient, command: str) -> None:
    answer = client.post(f"{LETTERS_ADDRESS}/1/{command}", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
