"""Around every request: a correlation id, a log event, a limit, the careful headers, an answer whatever happens."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Final

import structlog
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web.sessions import COOKIE, cookie_of

log = structlog.get_logger()

BODY_BYTES: Final = 64 * 1024
"""The most that a request may carry. An upload lifts this limit, for it has its own and keeps nothing in between."""

RETRY_AFTER_SECONDS: Final = 5

LINGER_SECONDS: Final = 5.0
"""How long nothing may come of a request that is answered already, before its connection is closed."""

DROPPED_BYTES: Final = 16 * 1024 * 1024
"""How much is read of a request that was answered already and could not have been so large."""

_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_HEADERS_BY_STATUS = {
    401: {"www-authenticate": 'Bearer realm="etma"'},
    423: {"retry-after": str(RETRY_AFTER_SECONDS)},
    503: {"retry-after": str(RETRY_AFTER_SECONDS)},
}


class BodyTooLarge(HTTPException):
    """The request carries more than its route takes."""

    def __init__(self) -> None:
        super().__init__(413)


def set_body_limit(request: Request, size_bytes: int) -> None:
    """Let the body have so many bytes; `BodyTooLarge` comes out of reading it."""
    request.state.body_bytes = size_bytes


def lift_body_limit(request: Request) -> None:
    """Let the body be of any size: for a route that reads it piece by piece and has limits of its own."""
    request.state.body_bytes = None


def add_headers(request: Request, headers: Mapping[str, str]) -> None:
    """Let whatever is answered carry these too, a failure as well; names in lower case."""
    request.state.headers = {**request.state.headers, **headers}


class Envelope:
    """Buffers nothing. What a route answers before it has read the request is the last answer on its connection: the
    rest of the request is let in and dropped, so that who sends it can read the answer, and then it is closed.

    `failed` makes the answer to an exception that no handler knows; it runs outside the loop.
    """

    def __init__(self, app: ASGIApp, failed: Callable[[Request, Exception], Response]) -> None:
        self.app = app
        self.failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        structlog.contextvars.bind_contextvars(correlation_id=exchange.correlation_id)
        try:
            await self._answer(exchange)
        finally:
            exchange.log()
            structlog.contextvars.unbind_contextvars("correlation_id")

    async def _answer(self, exchange: _Exchange) -> None:
        """Let the application answer; when it fails, answer for it, or leave a broken answer to the server to cut."""
        try:
            await self.app(exchange.scope, exchange.receive, exchange.send)
        except Exception as error:
            response = await run_in_threadpool(self.failed, Request(exchange.scope), error)
            if exchange.started:
                raise
            await response(exchange.scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer as they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        self.scope = scope
        self.correlation_id = _correlation_id(headers)
        self.started = False
        self._status = 500
        self._receive = receive
        self._send = send
        self._state = scope.setdefault("state", {})
        self._state |= {"correlation_id": self.correlation_id, "body_bytes": BODY_BYTES, "headers": {}}
        self._announced_bytes = _length(headers)
        self._taken_bytes = 0
        self._is_read = not self._announced_bytes and b"transfer-encoding" not in headers
        self._began = self._ended = time.perf_counter()

    async def receive(self) -> Message:
        """Raises `BodyTooLarge`: before the first byte when the length was announced, else when the limit is passed."""
        self._check(self._announced_bytes)
        message = await self._next()
        self._check(self._taken_bytes)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self._status = True, message["status"]
            if not self._is_read:
                self._state["headers"] |= {"connection": "close"}
            message = {**message, "headers": self._with_ours(message["headers"])}
        self._ended = time.perf_counter()
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and not self._is_read:
            await self._send({**message, "more_body": True})
            await self._drop_the_rest()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _drop_the_rest(self) -> None:
        """Of an upload, whatever comes."""
        most = inf if self._state["body_bytes"] is None else self._taken_bytes + DROPPED_BYTES
        with suppress(TimeoutError):
            while not self._is_read and self._taken_bytes < most:
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._is_read = message["type"] == "http.disconnect" or not message.get("more_body", False)
        self._taken_bytes += len(message.get("body", b""))
        return message

    def log(self) -> None:
        path = getattr(self.scope.get("route"), "path", "unknown")
        milliseconds = round((self._ended - self._began) * 1000, 1)
        log.info("http.answered", method=self.scope["method"], route=path, status=self._status, ms=milliseconds)

    def _check(self, size_bytes: int) -> None:
        limit = self._state["body_bytes"]
        if limit is not None and size_bytes > limit:
            raise BodyTooLarge

    def _with_ours(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name for name, _ in headers}
        ours = {**_HEADERS, "x-correlation-id": self.correlation_id, **_HEADERS_BY_STATUS.get(self._status, {})}
        ours |= self._state["headers"]
        missing = [(n.encode(), v.encode()) for n, v in ours.items() if n.encode() not in names]
        return [*headers, *missing, *self._renewed_cookie(headers)]

    def _renewed_cookie(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The session's new token, unless the route has set or taken away the cookie itself."""
        token = self._state.get("renewed")
        begun = f"{COOKIE}=".encode()
        if token is None or any(n == b"set-cookie" and v.startswith(begun) for n, v in headers):
            return []
        return [(b"set-cookie", cookie_of(token, secure=self.scope["app"].state.secure).encode())]


def _correlation_id(headers: dict[bytes, bytes]) -> str:
    sent = headers.get(b"x-correlation-id", b"").decode("latin-1")
    return sent if _TOKEN.fullmatch(sent) else str(uuid.uuid4())


def _length(headers: dict[bytes, bytes]) -> int:
    announced = headers.get(b"content-length", b"")
    return int(announced) if announced.isdigit() else 0
