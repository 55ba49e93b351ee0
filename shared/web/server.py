"""The web server of a process; in a thread of its own it answers whatever the rest of the process does."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import uvicorn
from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import Conflict

START_SECONDS = 30.0
GRACE_SECONDS = 5
"""How long requests under way may take when the server is to stop."""


class CannotListen(Conflict):
    """The address is taken, or not this machine's."""

    code = "cannot_listen"
    title = "The web server cannot listen"


class Doorway:
    """An application that stands for another one, which may come later or change."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class _Leaving:
    """Lets every request know when the server leaves (`leaving_of`)."""

    def __init__(self, app: ASGIApp, leaving: asyncio.Event) -> None:
        self.app = app
        self.leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["leaving"] = self.leaving
        await self.app(scope, receive, send)


class _Server(uvicorn.Server):
    """Has what goes on without end end, before it waits for what is under way."""

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event) -> None:
        super().__init__(config)
        self._leaving = leaving

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving.set()
        await super().shutdown(sockets)


def leaving_of(request: Request) -> asyncio.Event:
    """Set when the server leaves: an answer without an end of its own ends then, within its grace."""
    leaving: asyncio.Event = getattr(request.state, "leaving", None) or asyncio.Event()
    return leaving


def server_of(app: ASGIApp, *, host: str, port: int, trusted_proxies: str = "") -> uvicorn.Server:
    """The server as every process of ours runs it.

    Whom a request comes from is said by the connection, and by X-Forwarded-For only when a proxy sends it that is
    among `trusted_proxies`: addresses and networks with commas between them.
    """
    leaving = asyncio.Event()
    config = uvicorn.Config(
        _Leaving(app, leaving),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
    )
    return _Server(config, leaving)


class HttpThread:
    """Serves an application until it is stopped; port 0 takes a free one."""

    def __init__(self, app: ASGIApp, *, host: str, port: int, trusted_proxies: str = "") -> None:
        self._wanted = f"{host}:{port}"
        self._server = server_of(app, host=host, port=port, trusted_proxies=trusted_proxies)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Returns when requests are answered; raises `CannotListen`."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise CannotListen(f"{self._wanted} cannot be listened on. Set ETMA_HOST and ETMA_PORT to another.")
            time.sleep(0.01)

    @property
    def address(self) -> str:
        """Where it is, such as `http://127.0.0.1:8000`."""
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def stop(self) -> None:
        """Answers what is under way, for five seconds at most."""
        self._server.should_exit = True
        self._thread.join(GRACE_SECONDS + 1)

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            """The server ends its thread so when it cannot listen; `start` tells it."""
