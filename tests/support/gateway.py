"""One address for the web processes of all services, by the routes of the gateway that is deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import httpx2 as httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.web.app import METHODS
from shared.web.server import HttpThread
from tests.support.databases import SERVICES
from tests.support.processes import Role

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "images" / "gateway" / "nginx.conf"
LOCATION = re.compile(r"location (?:~ )?(\S+) { proxy_pass http://127\.0\.0\.1:810(\d); }")


class Gateway(httpx.BaseTransport):
    """Each request to the service that the gateway's configuration says, to its web processes in turn."""

    def __init__(self, running: Mapping[str, Role]) -> None:
        self._http = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))  # as the deployed one
        found = LOCATION.findall(CONFIGURATION.read_text(encoding="ascii"))
        self._services = [(re.compile(pattern), SERVICES[int(number) - 1]) for pattern, number in found]
        self._turns = {
            service: cycle([role.url for role in running.values() if (role.service, role.role) == (service, "api")])
            for service in SERVICES
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        service = next(service for pattern, service in self._services if pattern.match(request.url.path))
        request.url = httpx.URL(next(self._turns[service])).copy_with(raw_path=request.url.raw_path)
        return self._http.handle_request(request)

    def close(self) -> None:
        self._http.close()


@contextmanager
def served_gateway(running: Mapping[str, Role]) -> Iterator[str]:
    """The same for a browser: it listens on the address that this gives."""
    gateway = Gateway(running)

    def pass_on(request: Request, body: bytes) -> Response:
        asked = httpx.Request(request.method, str(request.url), headers=request.headers.raw, content=body)
        answer = gateway.handle_request(asked)
        response = Response(b"".join(answer.iter_raw()), status_code=answer.status_code)
        response.raw_headers = [(name.lower(), value) for name, value in answer.headers.raw]
        return response

    async def forward(request: Request) -> Response:
        return await run_in_threadpool(pass_on, request, await request.body())

    http = HttpThread(Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)]), host="127.0.0.1", port=0)
    http.start()
    yield http.address
    http.stop()
    gateway.close()
