"""A service that cannot be asked, or whose answer makes no sense, is away, and the words name it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from fastapi import FastAPI, Response

from deploy.servers.ports import free_port
from shared.errors import Unavailable
from shared.web.remote_inspection import RemoteDeadLetters, RemoteInspection
from shared.web.remote_service import RemoteService
from shared.web.server import HttpThread
from tests.support.callers import SERVICES

ASKS: list[Callable[[RemoteService], object]] = [
    lambda service: RemoteInspection(service).facts("persons"),
    lambda service: RemoteInspection(service).status(),
    lambda service: RemoteDeadLetters(service).list(),
    lambda service: RemoteDeadLetters(service).show(1),
    lambda service: RemoteDeadLetters(service).replay(1),
]
FACTS, STATUS = 0, 1


@contextmanager
def marking(url: str) -> Iterator[RemoteService]:
    with closing(RemoteService("marking", url, SERVICES, asked_by="operations")) as service:
        yield service


@contextmanager
def answering(content: str, status: int = 200) -> Iterator[RemoteService]:
    """A server that says the same to everything."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    def anything(path: str) -> Response:
        return Response(content, status_code=status)

    http = HttpThread(app, host="127.0.0.1", port=0)
    http.start()
    try:
        with marking(http.address) as service:
            yield service
    finally:
        http.stop()


@pytest.mark.parametrize("ask", ASKS)
def test_nobody_there(ask: Callable[[RemoteService], object]) -> None:
    with (
        marking(f"http://127.0.0.1:{free_port()}") as service,
        pytest.raises(Unavailable, match="marking cannot be asked: ConnectError"),
    ):
        ask(service)


@pytest.mark.parametrize(
    ("url", "words"),
    [("", "ETMA_MARKING_URL"), ("127.0.0.1:8102", "UnsupportedProtocol"), ("http://127.0.0.1:http", "InvalidURL")],
)
def test_no_address(url: str, words: str) -> None:
    with marking(url) as service, pytest.raises(Unavailable, match=f"marking cannot be asked: {words}"):
        ASKS[STATUS](service)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "has not the shape agreed"),
        (302, "it answered 302"),
        (401, "does not trust this process"),
        (403, "does not trust this process"),
        (404, "has not the shape agreed"),
        (500, "it answered 500"),
        (503, "it answered 503"),
    ],
)
def test_an_answer_of_somebody_else(ask: Callable[[RemoteService], object], status: int, words: str) -> None:
    with (
        answering("<h1>Welcome to our gateway</h1>", status) as service,
        pytest.raises(Unavailable, match=f"marking cannot be asked: .*{words}"),
    ):
        ask(service)


@pytest.mark.parametrize(
    "page", ["", '{"position": "1"}\n', '{"position": "1"}\n{"posi', '{"position": "1", "watermark": "1"}\n']
)
def test_a_page_that_was_cut_off_is_no_page(page: str) -> None:
    with answering(page) as service, pytest.raises(Unavailable, match="marking cannot be asked"):
        ASKS[FACTS](service)
