"""The edge of the web: every failure has one form, one log line and the careful headers, and no body is endless."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from shared.errors import EtmaError, Unavailable
from shared.web.app import NoRights, create_app, routes_of
from shared.web.envelope import BODY_BYTES, lift_body_limit
from shared.web.pages import Pages
from shared.web.rights import PUBLIC, RIGHTS, Relation, Role
from tests.support.callers import callers_of_anybody
from tests.support.coroutines import run

PIECE = 1024
MEGABYTES = 300 * 1024 * 1024
FOR_PEOPLE, FOR_PROGRAMS = {"accept": "text/html"}, {"accept": "application/json"}
MULTIPART = [(b"content-type", b"multipart/form-data; boundary=b")]
OPENING = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'


class Lost(EtmaError):
    """A failure of ours that says no other status."""


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/broken")
    def broken() -> Response:
        raise RuntimeError("a bug")

    @router.get("/lost")
    def lost() -> Response:
        raise Lost

    @router.get("/away")
    def away() -> Response:
        raise Unavailable

    @router.get("/half")
    def half() -> Response:
        return StreamingResponse(breaking_off())

    @router.get("/api/mine")
    def mine() -> Response:
        return Response()

    @router.post("/form")
    def form(file: Annotated[UploadFile | None, File()] = None, words: Annotated[str, Form()] = "") -> Response:
        return Response(words)

    @router.post("/upload")
    async def upload(request: Request) -> Response:
        lift_body_limit(request)
        return Response(str(sum([len(chunk) async for chunk in request.stream()])))

    return router


def breaking_off() -> Iterator[bytes]:
    yield b"a beginning"
    raise RuntimeError("a bug in the middle")


@pytest.fixture
def app() -> FastAPI:
    return create_app(
        routers=[routes()],
        pages=Pages([], demo=False),
        callers=callers_of_anybody(),
        form_secret=b"secret",
        ready=lambda: {"pipeline": "is not well"},
        rights={**RIGHTS, **dict.fromkeys(routes_of(routes()), PUBLIC), "GET /api/mine": {Role.STUDENT: Relation.OWN}},
    )


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def test_a_route_without_rights_is_not_served() -> None:
    with pytest.raises(NoRights, match="POST /upload"):
        create_app(
            routers=[routes()], pages=Pages([], demo=False), callers=callers_of_anybody(), form_secret=b"", ready=dict
        )


@pytest.mark.parametrize("path", ["/broken", "/lost", "/away", "/nowhere", "/form"])
def test_every_failure_has_the_careful_headers_and_one_form(client: TestClient, path: str) -> None:
    for wanted, kind in ((FOR_PEOPLE, "text/html"), (FOR_PROGRAMS, "application/problem+json")):
        answer = client.get(path, headers={**wanted, "x-correlation-id": "my-own-thread"})
        assert answer.status_code >= 400
        assert answer.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-correlation-id"] == "my-own-thread"
        assert "my-own-thread" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/broken", 500, "internal_error"), ("/lost", 500, "error"), ("/away", 503, "unavailable")],
)
def test_a_failure_on_our_side_is_logged_once_with_its_traceback(
    client: TestClient, path: str, status: int, code: str
) -> None:
    with capture_logs() as lines:
        answer = client.get(path, headers={**FOR_PROGRAMS, "x-correlation-id": "my-own-thread"})
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
    failed, answered = lines
    assert (failed["event"], failed["log_level"], failed["reference"]) == ("http.failed", "error", "my-own-thread")
    assert isinstance(failed["exc_info"], Exception)
    assert (answered["event"], answered["status"]) == ("http.answered", status)


def test_what_a_caller_did_wrong_is_no_failure_of_ours(client: TestClient) -> None:
    with capture_logs() as lines:
        client.get("/nowhere")
    assert [line["event"] for line in lines] == ["http.answered"]


def test_an_answer_that_breaks_off_is_logged_and_left_to_the_server(app: FastAPI) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    with capture_logs() as lines, pytest.raises(RuntimeError, match="in the middle"):
        TestClient(app).get("/half")
    assert [line["event"] for line in lines] == ["http.failed", "http.answered"]
    assert client.get("/broken").status_code == 500


def test_what_to_do_instead_stands_in_the_headers(client: TestClient) -> None:
    assert client.delete("/form").headers["allow"] == "POST"
    assert client.get("/api/mine").headers["www-authenticate"] == 'Bearer realm="etma"'
    assert int(client.get("/away").headers["retry-after"]) > 0
    assert int(client.get("/readyz").headers["retry-after"]) > 0


def test_a_form_may_be_as_large_as_the_limit(client: TestClient) -> None:
    assert len(client.post("/form", data={"words": "a" * (BODY_BYTES - len("words="))}).text) == BODY_BYTES - 6


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not-announced"])
def test_a_body_above_the_limit_is_refused_before_it_is_kept(app: FastAPI, announced: bool) -> None:  # noqa: FBT001
    length = [(b"content-length", str(MEGABYTES).encode())] if announced else []
    answer, taken = post(app, "/form", [*MULTIPART, *length], opening=OPENING)
    assert answer["status"] == 413
    assert answer["problem"]["code"] == "body_too_large"
    assert b"content-security-policy" in dict(answer["headers"])
    assert taken <= (0 if announced else BODY_BYTES + PIECE)


def test_an_upload_lifts_the_limit(client: TestClient) -> None:
    assert client.post("/upload", content=bytes(3 * BODY_BYTES)).text == str(3 * BODY_BYTES)


def post(app: FastAPI, path: str, headers: list[tuple[bytes, bytes]], *, opening: bytes) -> tuple[dict[str, Any], int]:
    """Send a body without end, as a server hands it on: the answer, and how many bytes were taken until it came."""
    taken = until_then = 0
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        body = opening if taken == 0 else bytes(PIECE)
        taken += len(body)
        assert taken < MEGABYTES
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: Any) -> None:
        nonlocal until_then
        if not sent:
            until_then = taken
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"accept", b"application/json")],
        "client": ("127.0.0.1", 5),
        "server": ("etma", 80),
    }
    run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return {"status": sent[0]["status"], "headers": sent[0]["headers"], "problem": json.loads(body)}, until_then
