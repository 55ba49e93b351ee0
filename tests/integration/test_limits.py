"""Limits at the edge: who asks too often is told when to come again, and nobody else is kept waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi import Request

from shared.errors import Unavailable
from shared.rate import Rate
from shared.rates import Answer, Rates
from shared.web.limits import LIMITS, Limit, address_of
from shared.web.rights import RIGHTS
from shared.web.server import HttpThread
from tests.support.university import ANN, BEN, TMA, Town, running_town
from tests.support.uploading import PROTOCOL, metadata_of

TEXT = {"receipt": "nothing"}
FEW = {f"limit_{limit}": "2/60" for limit in Limit}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path, **FEW) as town:
        yield town


def begin(town: Town, person: str) -> httpx.Response:
    said = {"upload-length": "3", "upload-metadata": metadata_of(assignment=TMA, filename="a.pdf")}
    return town.client.post("/api/v1/uploads", headers={**PROTOCOL, **said, **town.token("student", person)})


def test_every_limit_stands_at_a_route_and_has_a_setting(town: Town) -> None:
    assert set(LIMITS) <= set(RIGHTS)
    assert set(LIMITS.values()) == set(Limit)
    assert all(getattr(town.system.platform.settings, f"limit_{limit}") for limit in Limit)


def test_no_limit_stands_between_a_student_and_what_is_on_its_way() -> None:
    uploads = {route for route in RIGHTS if "{upload_id}" in route}
    assert {"PATCH /api/v1/uploads/{upload_id}", "POST /uploads/{upload_id}/confirm"} <= uploads
    assert not uploads & set(LIMITS)


def test_who_asks_too_often_is_told_when_to_come_again(town: Town) -> None:
    answers = [town.client.post("/verify", data=TEXT) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert answers[0].headers["ratelimit-policy"] == '"verify";q=2;w=60'
    assert answers[0].headers["ratelimit"] == '"verify";r=1;t=30'
    assert answers[2].headers["retry-after"] == "30"
    assert answers[2].headers["ratelimit"] == '"verify";r=0;t=30'
    assert "Please wait 30 seconds and send it again. Nothing was received." in answers[2].text


def test_a_program_is_told_in_its_own_way(town: Town) -> None:
    answer = [begin(town, ANN) for _ in range(3)][-1]
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
    assert (answer.json()["code"], answer.json()["retry_after_seconds"]) == ("too_many_requests", 30)
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["tus-resumable"] == "1.0.0"


def test_one_person_takes_nothing_from_another(town: Town) -> None:
    assert [begin(town, who).status_code for who in (ANN, ANN, ANN, BEN)] == [201, 201, 429, 201]


def test_what_is_limited_is_counted_apart(town: Town) -> None:
    assert [begin(town, ANN).status_code for _ in range(3)][-1] == 429
    assert town.client.post("/verify", data=TEXT).status_code == 422


def test_the_bytes_of_an_upload_and_its_confirmation_know_no_limit(town: Town) -> None:
    who = town.token("student", ANN)
    content = b"%PDF-1.4\n" + bytes(40)
    said = {"upload-length": str(len(content)), "upload-metadata": metadata_of(assignment=TMA, filename="a.pdf")}
    path = town.client.post("/api/v1/uploads", headers={**PROTOCOL, **said, **who}).headers["location"]
    for offset in range(len(content)):
        sent = {"upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
        answer = town.client.patch(path, content=content[offset : offset + 1], headers={**PROTOCOL, **sent, **who})
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(offset + 1))
    assert begin(town, ANN).status_code == 201
    assert begin(town, ANN).status_code == 429
    assert [town.client.post(f"{path}/confirm", headers=who).status_code for _ in range(5)] == [201] * 5


def test_who_may_not_is_told_so_and_not_counted(town: Town) -> None:
    for _ in range(5):
        assert town.client.post("/api/v1/uploads", headers=PROTOCOL).status_code == 401
    assert begin(town, ANN).status_code == 201


def test_a_limit_may_be_off(tmp_path: Path) -> None:
    with running_town(tmp_path, limit_verify="off") as town:
        answers = [town.client.post("/verify", data=TEXT) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {422}
    assert "ratelimit" not in answers[0].headers


class Away(Rates):
    """In a database that does not answer."""

    def spend(self, key: str, rate: Rate) -> Answer:
        raise Unavailable


def test_an_outage_of_the_database_is_no_limit(town: Town) -> None:
    app = town.system.app()
    limits = app.state.limits
    limits.rates = Away(limits.rates.database, limits.rates.clock)
    client = Town(town.system, type(town.client)(app, follow_redirects=False)).client
    assert [client.post("/verify", data=TEXT).status_code for _ in range(5)] == [422] * 5


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "unknown"),
    ],
)
def test_an_address_is_counted_as_what_one_can_have(host: str, counted: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == counted


@pytest.mark.parametrize(("trusted", "addresses"), [("", 1), ("192.0.2.0/24", 1), ("127.0.0.0/8", 4)])
def test_what_a_client_says_of_its_address_counts_only_from_a_proxy_that_is_trusted(
    town: Town, trusted: str, addresses: int
) -> None:
    http = HttpThread(town.system.app(), host="127.0.0.1", port=0, trusted_proxies=trusted)
    http.start()
    try:
        answers = [
            httpx.post(
                f"{http.address}/verify",
                data=TEXT,
                headers={"x-forwarded-for": f"198.51.100.{number}"},
                trust_env=False,
            ).status_code
            for number in range(4)
        ]
    finally:
        http.stop()
    assert answers == ([422] * 4 if addresses == 4 else [422, 422, 429, 429])


def test_the_demo_sign_in_is_not_for_whom_a_proxy_on_the_machine_lets_in(town: Town) -> None:
    form = {"identifier": ANN, "role": "student"}
    forwarded = town.client.post("/sign-in", data=form, headers={"x-forwarded-for": "198.51.100.1"})
    assert (forwarded.status_code, town.client.post("/sign-in", data=form).status_code) == (403, 303)
