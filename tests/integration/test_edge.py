"""What comes in from outside and is absurd, and who is signed in and who not any more."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from services.intake.catalogue import take_in
from services.submission.catalogue.university import StaffEntry, University
from shared.errors import Unavailable
from shared.storage.port import ObjectWriter
from shared.web.sessions import COOKIE
from tests.support.objects import FilledStore
from tests.support.university import ANN, OPERATOR, PDF, TMA, TUTOR, Town, running_town

FORM = {"accept": "text/html"}
MOST_TEXT = 20_000
"""Longer texts are refused for their length alone."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("town")) as town:
        yield town


def jws(header: bytes, payload: bytes = b"{}") -> str:
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, payload, b"no signature"))
    return ".".join(parts)


def json_values() -> st.SearchStrategy[object]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))


HEADERS = st.fixed_dictionaries(
    {"alg": st.just("Ed25519") | json_values()},
    optional={name: json_values() for name in ("crit", "kid", "typ", "b64", "jwk", "x5c", "epk")},
)


def is_clearly_refused(town: Town, text: str) -> None:
    bearer = town.client.get("/api/v1/inbox", headers={"authorization": f"Bearer {text}".encode()})
    assert (bearer.status_code, bearer.json()["code"]) == (401, "unauthenticated")
    page = town.client.get("/work", headers={"cookie": f"{COOKIE}={text}".encode()})
    assert page.headers["location"] == "/sign-in?next=%2Fwork"
    checked = town.client.post("/verify", data={"receipt": text})
    assert (checked.status_code, "<title>Problem: Check a receipt" in checked.text) == (422, True)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "..",
        "a.b.c",
        jws(b"[]"),
        jws(b"null"),
        jws(b'{"alg":"Ed25519"}'),
        jws(b'{"alg":"none"}'),
        jws(b'{"alg":"Ed25519","crit":1}'),
        jws(b'{"alg":"Ed25519","kid":[]}'),
        jws(b'{"alg":"Ed25519","x":' + b"[" * 5000 + b"]" * 5000 + b"}"),
        "é.e30.AA",
    ],
)
def test_a_text_that_nobody_signed_is_no_sign_in_and_no_receipt(town: Town, text: str) -> None:
    is_clearly_refused(town, text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=HEADERS)
def test_no_header_of_a_signed_text_is_too_strange(town: Town, header: dict[str, object]) -> None:
    text = jws(json.dumps(header).encode())
    assume(len(text) < MOST_TEXT)
    is_clearly_refused(town, text)


@pytest.mark.parametrize("token", ["%C3%A9", "%ED%A0%80", "%00", ""])
def test_a_strange_form_token_is_a_page_that_has_expired(town: Town, token: str) -> None:
    signed_in = town.system.identity.sessions.sign_in(role="student", identifier=ANN)
    address = f"/assignments/{TMA}?csrf_token={token}&key=12345678"
    headers = {"cookie": f"{COOKIE}={signed_in}", **FORM}
    answer = town.client.post(address, files={"file": ("a.pdf", PDF)}, headers=headers)
    assert (answer.status_code, "This page has expired" in answer.text) == (403, True)


def test_a_form_in_another_alphabet_is_a_page_that_has_expired(town: Town) -> None:
    signed_in = town.system.identity.sessions.sign_in(role="student", identifier=ANN)
    lone_surrogate = b'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n+2AA-\r\n--b--\r\n'
    headers = {
        "cookie": f"{COOKIE}={signed_in}",
        "content-type": "multipart/form-data; boundary=b; charset=utf-7",
        **FORM,
    }
    assert town.client.post("/sign-out", content=lone_surrogate, headers=headers).status_code == 403


def test_a_sign_in_in_another_alphabet_is_not_valid(town: Town) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n+2AA-\r\n'
    form = b"".join(part % name for name in (b"identifier", b"role", b"next")) + b"--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b; charset=utf-7"}
    assert town.client.post("/sign-in", content=form, headers=headers).status_code == 422


@pytest.mark.parametrize(
    ("path", "role", "person"),
    [
        ("/api/v1/operations/trail/x?after=99999999999999999999", "operations", OPERATOR),
        ("/operations/trail?q=x&after=99999999999999999999", "operations", OPERATOR),
        ("/operations/trail?q=x&after=-1", "operations", OPERATOR),
        ("/api/v1/inbox?before=0001-01-01T00:00:00%2B23:59_x", "student", ANN),
        ("/inbox?before=0001-01-01T00:00:00%2B23:59_x", "student", ANN),
        ("/inbox?before=9999-12-31T23:59:59-23:59_x", "student", ANN),
        ("/inbox?before=2026-02-30T00:00:00Z_x", "student", ANN),
    ],
)
def test_a_place_that_cannot_be_is_not_valid(town: Town, path: str, role: str, person: str) -> None:
    answer = town.get(path, role, person)
    assert answer.status_code == 422
    machine = "json" in answer.headers["content-type"]
    assert machine == path.startswith("/api/")


def sign_in(town: Town, who: str, role: str) -> dict[str, str]:
    """The headers of a browser that is signed in."""
    answer = town.client.post("/sign-in", data={"identifier": who, "role": role})
    town.client.cookies.clear()
    return {"cookie": f"{COOKIE}={answer.cookies[COOKIE]}", **FORM}


def test_who_signed_out_is_signed_out_wherever_the_cookie_is(town: Town) -> None:
    browser, other = sign_in(town, ANN, "student"), sign_in(town, ANN, "student")
    page = town.client.get("/work", headers=browser)
    (form_token,) = set(re.findall(r'name="csrf_token" value="([0-9a-f]+)"', page.text))
    assert town.client.post("/sign-out", data={"csrf_token": form_token}, headers=browser).status_code == 303
    assert town.client.get("/work", headers=browser).headers["location"] == "/sign-in?next=%2Fwork"
    assert town.client.get("/work", headers=other).status_code == 200


def test_a_role_that_is_no_longer_named_is_gone_with_its_sessions(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        name_roles(town, "tutor", "operations")
        operations, tutor = town.token("operations", TUTOR), town.token("tutor", TUTOR)
        unused = town.token("operations", TUTOR)
        assert town.client.get("/api/v1/operations/pipeline", headers=operations).status_code == 200
        name_roles(town, "tutor")
        answer = town.client.get("/api/v1/operations/pipeline", headers=operations)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert town.client.get("/api/v1/scripts", headers=tutor).status_code == 200
        assert town.client.post("/sign-in", data={"identifier": TUTOR, "role": "operations"}).status_code == 404
        name_roles(town, "tutor", "operations")
        assert town.client.get("/api/v1/operations/pipeline", headers=operations).status_code == 401
        assert town.client.get("/api/v1/operations/pipeline", headers=unused).status_code == 401
        assert town.get("/api/v1/operations/pipeline", "operations", TUTOR).status_code == 200


def name_roles(town: Town, *roles: str) -> None:
    member = StaffEntry.model_validate({"staff_number": TUTOR, "name": "Tess", "roles": roles})
    take_in(town.system, University(staff=(member,)))


class ClosedStore(FilledStore):
    """One that is away, in its vendor's words."""

    def writer(self, key: str) -> AbstractContextManager[ObjectWriter]:
        raise Unavailable("The object store cannot be reached (MaxRetryError).")


def test_an_outage_is_told_to_people_by_what_to_do_and_to_programs_by_what_it_is(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(town.system.submission.hand_in, "objects", ClosedStore(tmp_path / "objects"))
    file = {"file": ("answer.pdf", PDF, "application/pdf")}
    headers = {**FORM, **town.token("student", ANN)}
    page = town.client.post(f"/assignments/{TMA}?key=one-key-of-many", files=file, headers=headers)
    assert page.status_code == 503
    assert "Please try again in a few minutes" in page.text
    assert "only if you have a receipt" in page.text
    assert "MaxRetryError" not in page.text
    answer = town.hand_in(ANN)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "MaxRetryError" in answer.json()["detail"]


def test_a_body_that_is_no_text_is_said_so(town: Town) -> None:
    path = "/api/v1/later-versions/x/answer"
    sent = {**town.token("tutor", TUTOR), "content-type": "application/json"}
    answer = town.client.post(path, content=b"\xff\xfe{", headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_body")
    document = town.client.get("/api/openapi.json").json()
    assert "400" in document["paths"]["/api/v1/later-versions/{submission_id}/answer"]["post"]["responses"]
