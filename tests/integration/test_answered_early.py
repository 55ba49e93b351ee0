"""A request that is answered before it was read: the answer arrives whole, and no connection is left over."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from fastapi import Request, Response
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.web import envelope
from shared.web.envelope import Envelope
from shared.web.server import HttpThread

MEGABYTE = 1024 * 1024


def failed(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("failed", 500)


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the request only where the address says so."""
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    await PlainTextResponse("no", 409)(scope, receive, send)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(envelope, "LINGER_SECONDS", 0.5)
    http = HttpThread(Envelope(refusing, failed), host="127.0.0.1", port=0)
    http.start()
    yield int(http.address.rsplit(":", 1)[1])
    http.stop()


def head(length: int, path: str = "/", *more: str) -> bytes:
    lines = [f"PATCH {path} HTTP/1.1", "Host: etma", f"Content-Length: {length}", *more, "", ""]
    return "\r\n".join(lines).encode()


def everything(connection: socket.socket) -> bytes:
    """All that comes until the server closes; fails when it does not within ten seconds."""
    connection.settimeout(10)
    found = b""
    while part := connection.recv(MEGABYTE):
        found += part
    return found


def test_who_falls_silent_is_answered_at_once_and_closed_soon(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head(8 * MEGABYTE) + b"a" * 65536)
        began = time.monotonic()
        answer = everything(connection)
    assert (b"409" in answer.partition(b"\r\n")[0], b"connection: close" in answer, answer.endswith(b"no")) == (
        True,
    ) * 3
    assert time.monotonic() - began < 5


def test_who_goes_on_sending_reads_the_whole_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head(8 * MEGABYTE))
        for _ in range(8):
            connection.sendall(b"a" * MEGABYTE)
        assert everything(connection).endswith(b"no")


def test_who_asks_before_sending_is_not_asked_to_send(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head(MEGABYTE, "/", "Expect: 100-continue"))
        answer = everything(connection)
    assert (answer.startswith(b"HTTP/1.1 409"), b"100" in answer) == (True, False)


def test_a_request_that_was_read_leaves_its_connection_open(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(2):
            connection.sendall(head(3, "/read") + b"abc")
            answer = b""
            while not answer.endswith(b"no"):
                answer += connection.recv(MEGABYTE)
            assert (answer.startswith(b"HTTP/1.1 409"), b"connection: close" in answer) == (True, False)
