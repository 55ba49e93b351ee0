"""What may stand in an upload's headers, however absurd; what a browser sends of its own accord; and the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.web.sessions import COOKIE
from tests.support.university import ANN, BEN, PDF, TMA, TUTOR, Town, running_town
from tests.support.uploading import BYTES, PROTOCOL, UPLOADS, metadata_of

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
VISIBLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)
NUMBERS = (
    st.integers().map(str) | st.sampled_from(["", "0", "-0", "00", "1e3", "9" * 15, "9" * 16, "9" * 400]) | VISIBLE
)
ABSURD = {
    "upload-length": NUMBERS,
    "upload-offset": NUMBERS,
    "upload-checksum": VISIBLE | st.sampled_from(["sha1 ", "sha1 AAAA", "md5", "sha512 ====", "shake_128 AAAA"]),
    "upload-metadata": VISIBLE | st.sampled_from([metadata_of(assignment=TMA), metadata_of(assignment=TMA + "\0")]),
    "upload-defer-length": VISIBLE,
    "upload-concat": VISIBLE,
    "x-http-method-override": VISIBLE | st.sampled_from(["PATCH", "HEAD", "DELETE", "GET", "OPTIONS", "head"]),
    "content-type": VISIBLE | st.just(BYTES["content-type"]),
}


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("town")) as town:
        yield town


def create(
    town: Town, person: str = ANN, *, length: int = len(PDF), content: bytes = b"", **headers: str
) -> httpx.Response:
    said = metadata_of(assignment=TMA, filename="answer.pdf")
    announced = {"upload-length": str(length), "upload-metadata": said}
    body = BYTES if content else {}
    who = town.token("student", person)
    return town.client.post(UPLOADS, content=content, headers={**PROTOCOL, **announced, **body, **who, **headers})


def test_no_header_is_too_strange(town: Town) -> None:
    """Nothing is answered with 5xx, and every answer says which version is spoken."""
    path = create(town, length=1000).headers["location"]
    who = town.token("student", ANN)

    @FUZZ
    @given(
        method=st.sampled_from(["POST", "PATCH", "HEAD", "DELETE", "GET", "OPTIONS"]),
        address=st.sampled_from([UPLOADS, path]),
        headers=st.fixed_dictionaries({"tus-resumable": st.just("1.0.0") | VISIBLE}, optional=ABSURD),
        content=st.binary(max_size=30),
    )
    def is_answered(method: str, address: str, headers: dict[str, str], content: bytes) -> None:
        sent = {name: value.encode("latin-1") for name, value in {**who, **headers}.items()}
        answer = town.client.request(method, address, content=content, headers=sent)
        assert answer.status_code < 500, answer.text
        assert answer.status_code == 405 or answer.headers["tus-resumable"] == "1.0.0"

    is_answered()


@pytest.mark.parametrize(
    "upload_id", ["x", "%00", "..%2f..", "%F0%9F%92%A9", "00000000-0000-4000-8000-000000000000", "a" * 2000]
)
def test_an_upload_that_cannot_be_is_not_there(town: Town, upload_id: str) -> None:
    who = town.token("student", ANN)
    answers = [
        town.client.request(
            method, f"{UPLOADS}/{upload_id}", headers={**PROTOCOL, **who, **BYTES, "upload-offset": "0"}
        )
        for method in ("HEAD", "PATCH", "DELETE", "GET")
    ]
    assert {answer.status_code for answer in answers} <= {404, 422}


def test_only_students_upload(town: Town) -> None:
    tutor = {**PROTOCOL, **town.token("tutor", TUTOR), "upload-length": "3"}
    assert town.client.post(UPLOADS, headers=tutor).status_code == 403
    assert town.client.post(UPLOADS, headers={**PROTOCOL, "upload-length": "3"}).status_code == 401


def test_a_cookie_alone_changes_nothing(town: Town) -> None:
    path = create(town).headers["location"]
    cookie = {"cookie": f"{COOKIE}={town.system.identity.sessions.sign_in(role='student', identifier=ANN)}"}
    said = {**PROTOCOL, **BYTES, **cookie, "upload-offset": "0", "upload-length": "3"}
    answers = [
        town.client.post(UPLOADS, headers={**said, "upload-metadata": metadata_of(assignment=TMA)}),
        town.client.patch(path, content=PDF, headers=said),
        town.client.delete(path, headers=said),
        town.client.post(path, headers={**said, "x-http-method-override": "HEAD"}),
        town.client.get(path, headers={**said, "x-http-method-override": "DELETE"}),
        town.client.post(f"{path}/confirm", headers=cookie),
        town.client.post(path.removeprefix("/api/v1") + "/confirm", headers=cookie),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert town.client.head(path, headers={**PROTOCOL, **cookie}).headers["upload-offset"] == "0"


def test_a_cookie_with_the_pages_token_uploads(town: Town) -> None:
    cookie = {"cookie": f"{COOKIE}={town.system.identity.sessions.sign_in(role='student', identifier=ANN)}"}
    page = town.client.get(f"/assignments/{TMA}", headers=cookie).text
    token = {"x-csrf-token": form_token_in(page)}
    said = {"upload-length": str(len(PDF)), "upload-metadata": metadata_of(assignment=TMA, filename="a.pdf")}
    made = town.client.post(UPLOADS, content=PDF, headers={**PROTOCOL, **BYTES, **cookie, **token, **said})
    assert made.status_code == 201
    assert town.client.post(f"{made.headers['location']}/confirm", headers={**cookie, **token}).status_code == 201
    town.settle()
    assert town.rows("submission", "versions")[0]["channel"] == "web"


def form_token_in(page: str) -> str:
    found = re.search(r"csrf_token=([0-9a-f]+)", page)
    assert found
    return found[1]


def test_the_page_shows_what_was_uploaded_and_a_button_hands_it_in(town: Town) -> None:
    path = create(town, content=PDF).headers["location"]
    cookie = {"cookie": f"{COOKIE}={town.system.identity.sessions.sign_in(role='student', identifier=ANN)}"}
    page = town.client.get(f"/assignments/{TMA}", headers=cookie).text
    shown = town.client.get(path, headers=cookie).json()
    assert "Uploaded, not handed in yet" in page
    for text in ("answer.pdf", shown["sha256"], "application/pdf", f">{len(PDF)} bytes</dd>"):
        assert text in page
    form = f"{path.removeprefix('/api/v1')}/confirm?csrf_token={form_token_in(page)}"
    assert form in page
    answer = town.client.post(form, headers=cookie)
    assert (answer.status_code, answer.headers["location"].startswith("/receipts/")) == (303, True)
    assert "Uploaded, not handed in yet" not in town.client.get(f"/assignments/{TMA}", headers=cookie).text


def test_the_page_says_why_an_upload_cannot_be_handed_in(town: Town) -> None:
    path = create(town, length=1000).headers["location"]
    cookie = {"cookie": f"{COOKIE}={town.system.identity.sessions.sign_in(role='student', identifier=ANN)}"}
    token = form_token_in(town.client.get(f"/assignments/{TMA}", headers=cookie).text)
    answer = town.client.post(
        f"{path.removeprefix('/api/v1')}/confirm?csrf_token={token}", headers={**cookie, "accept": "text/html"}
    )
    assert (answer.status_code, "0 of 1000 bytes are here" in answer.text) == (409, True)


def test_another_students_page_shows_nothing_of_it(town: Town) -> None:
    create(town, content=PDF)
    assert "Uploaded, not handed in yet" not in town.get(f"/assignments/{TMA}", "student", BEN).text
