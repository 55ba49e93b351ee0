"""Operations staff see what no service could apply, try it, have it replayed or give it up; all of it is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import httpx2 as httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from services.operations.dead_letters.handlers import DeadLetterDesk, Opening
from services.operations.dead_letters.pages import LetterPages, routes
from shared.looks import looks_at
from shared.messaging.tables import dead_letter, inbox, outbox
from shared.web.app import create_app
from shared.web.remote_inspection import RemoteDeadLetters
from shared.web.remote_service import RemoteService
from tests.integration.operations_house import person, received
from tests.support.callers import SERVICES, callers_of_anybody, session_token
from tests.support.messages import letter_row
from tests.support.university import ANN, OPERATOR, TMA, Town, running_town

PAGE = "/operations/dead-letters"


@pytest.fixture(scope="module")
def shared_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture
def town(shared_town: Town) -> Iterator[Town]:
    yield shared_town
    for service in shared_town.system.services:
        with service.database.transaction() as tx:
            tx.connection.execute(sa.delete(dead_letter))
            tx.connection.execute(sa.delete(inbox).where(inbox.c.ce_id.like("buried-%")))


class Staff:
    """A member of staff with a browser."""

    def __init__(self, town: Town) -> None:
        self.town = town
        token = town.token("operations", OPERATOR)["authorization"].removeprefix("Bearer ")
        self.headers = {"cookie": f"etma_session={token}"}

    def get(self, path: str) -> httpx.Response:
        return self.town.client.get(path, headers=self.headers)

    def send(self, number: int, what: str, **fields: str) -> httpx.Response:
        """By the form of the letter's page."""
        page = f"{PAGE}/marking/{number}"
        found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', self.get(page).text)
        assert found
        fields["csrf_token"] = found[1]
        return self.town.client.post(f"{page}/{what}", data=fields, headers=self.headers)


@pytest.fixture
def staff(town: Town) -> Staff:
    return Staff(town)


def bury(
    town: Town, *states: str, service: str = "marking", value: bytes | None = None, key: str = "w-buried"
) -> list[int]:
    """Bury facts of one key that marking can apply, unless other bytes are given; their numbers."""
    database = {each.name: each.database for each in town.system.services}[service]
    rows = [
        letter_row(service, received(key, version=number, assignment_id=TMA), number=number, state=state)
        for number, state in enumerate(states, start=1)
    ]
    if value is not None:
        rows[0]["value"] = value
    with database.transaction() as tx:
        tx.connection.execute(sa.insert(dead_letter), rows)
        return list(tx.connection.scalars(sa.select(dead_letter.c.id).order_by(dead_letter.c.id)))


def rows_of(town: Town, table: sa.Table) -> list[sa.RowMapping]:
    marking = town.system.services[2].database
    with marking.reading() as connection:
        return list(connection.execute(sa.select(table)).mappings())


def test_without_letters_the_page_says_so(staff: Staff) -> None:
    page = staff.get(PAGE)
    assert (page.status_code, "There are none" in page.text) == (200, True)


def test_letters_of_all_services_are_listed_with_why_and_how_many_wait(town: Town, staff: Staff) -> None:
    bury(town, "buried", "parked", "parked")
    bury(town, "buried", service="notifier")
    page = staff.get(PAGE).text
    for words in ("SubmissionReceived", "Marking", "Notifier", "w-buried", "read: bad &lt;b&gt;", "3 times"):
        assert words in page
    assert re.findall(r"<td>(\d+)</td>\s*</tr>", page) == ["2", "0"]


def test_a_service_that_cannot_be_read_says_so_and_hides_no_other(town: Town) -> None:
    bury(town, "buried")
    with closing(RemoteService("notifier", "http://127.0.0.1:9", SERVICES, asked_by="operations")) as away:
        desk = DeadLetterDesk({**town.system.dead_letters(), "notifier": RemoteDeadLetters(away)})
        parts = LetterPages(Opening(lambda: desk, town.system.services[4].database), town.system.platform.pages)
        app = create_app(
            routers=[routes(parts)],
            pages=town.system.platform.pages,
            callers=callers_of_anybody(),
            form_secret=b"secret",
            ready=dict,
        )
        headers = {"authorization": f"Bearer {session_token('operations')}"}
        page = TestClient(app).get(PAGE, headers=headers)
    assert "The letters of notifier could not be read: notifier cannot be asked" in page.text
    assert "w-buried" in page.text


def test_the_filter_shows_what_became_of_letters(town: Town, staff: Staff) -> None:
    (number, *_) = bury(town, "buried")
    staff.send(number, "discard", reason="It was a test.")
    assert "w-buried" not in staff.get(PAGE).text
    discarded = staff.get(f"{PAGE}?state=discarded&service=marking").text
    assert re.search(r"discarded by operations:[0-9a-f-]{36}: It was a test\.", discarded)
    assert staff.get(f"{PAGE}?state=lost").status_code == 422
    assert staff.get(f"{PAGE}?service=nobody").status_code == 404


def test_text_is_escaped_and_other_bytes_are_hexadecimal(town: Town, staff: Staff) -> None:
    (number, *_) = bury(town, "buried", value=b"<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)" in staff.get(f"{PAGE}/marking/{number}").text
    (_, other) = bury(town, "buried", value=b"\xff\x00", key="w-other")[-2:]
    assert ">ff 00</pre>" in staff.get(f"{PAGE}/marking/{other}").text


def test_a_rehearsal_says_what_would_happen_and_changes_nothing(town: Town, staff: Staff) -> None:
    number, *_ = bury(town, "buried", "parked")
    before = (len(rows_of(town, outbox)), rows_of(town, dead_letter))
    page = staff.send(number, "rehearsal")
    assert page.status_code == 200
    assert "It would be applied, with 1 that waits behind it" in re.sub(r"\s+", " ", page.text)
    assert "VersionTaken" in page.text
    assert (len(rows_of(town, outbox)), rows_of(town, dead_letter)) == before
    assert not [row for row in town.rows("marking", "scripts") if row["work_id"] == "w-buried"]


def test_a_rehearsal_of_what_still_fails_says_why(town: Town, staff: Staff) -> None:
    number, *_ = bury(town, "buried", value=b"{}")
    page = staff.send(number, "rehearsal")
    assert "It would fail as it did" in page.text
    assert "does not fit its contract" in page.text


def test_a_replay_applies_it_and_what_waits_and_names_who_did_it(town: Town, staff: Staff) -> None:
    number, behind = bury(town, "buried", "parked", key="w-replayed")
    answer = staff.send(number, "replay")
    assert answer.status_code == 303
    page = staff.get(answer.headers["location"]).text
    assert "It was applied, and so was what waited behind it." in page
    assert re.search(r"replayed by operations:[0-9a-f-]{36}", page)
    assert [row["state"] for row in rows_of(town, dead_letter)] == ["replayed", "replayed"]
    assert [row for row in town.rows("marking", "scripts") if row["work_id"] == "w-replayed"]
    again = town.client.post(f"{PAGE}/marking/{behind}/replay", headers=town.token("operations", OPERATOR))
    assert (again.status_code, "only a buried one can be replayed" in again.text) == (409, True)


def test_a_replay_that_fails_leaves_it_buried_and_says_so(town: Town, staff: Staff) -> None:
    number, *_ = bury(town, "buried", value=b"{}")
    answer = staff.send(number, "replay")
    assert (answer.status_code, "<title>Problem: Dead letter" in answer.text) == (422, True)
    assert "does not fit its contract" in answer.text
    assert [row["state"] for row in rows_of(town, dead_letter)] == ["buried"]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_giving_up_needs_a_reason(town: Town, staff: Staff, reason: str) -> None:
    number, *_ = bury(town, "buried")
    answer = staff.send(number, "discard", reason=reason)
    assert answer.status_code == 422
    assert 'id="reason-error"' in answer.text
    assert [row["state"] for row in rows_of(town, dead_letter)] == ["buried"]


@pytest.mark.parametrize("what", ["rehearsal", "replay", "discard"])
def test_a_form_of_another_site_does_nothing(town: Town, staff: Staff, what: str) -> None:
    number, *_ = bury(town, "buried")
    answer = town.client.post(f"{PAGE}/marking/{number}/{what}", data={"reason": "x"}, headers=staff.headers)
    assert answer.status_code == 403
    assert [row["state"] for row in rows_of(town, dead_letter)] == ["buried"]


def test_who_looks_at_a_letter_about_a_person_is_recorded(town: Town, staff: Staff) -> None:
    with town.system.services[2].database.transaction() as tx:
        row = letter_row("marking", person("p-1"), number=1, state="buried")
        tx.connection.execute(sa.insert(dead_letter), [row])
    (number,) = [row["id"] for row in rows_of(town, dead_letter)]
    assert "Ann Example" in staff.get(f"{PAGE}/marking/{number}").text
    with town.system.services[4].database.reading() as connection:
        (look,) = looks_at(connection, "p-1")
    assert look["what"] == "dead letter"
    assert str(look["actor"]).startswith("operations:")


def test_students_are_kept_out(town: Town) -> None:
    assert town.get(PAGE, "student", ANN).status_code == 403
