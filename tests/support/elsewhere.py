"""What a service shows of itself, served by a real web server as its process would, and asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from fastapi import FastAPI

from shared.inspection import PAGE, Inspection
from shared.messaging.dead_letters import DeadLetters
from shared.web import inspection_api
from shared.web.app import create_app
from shared.web.pages import Pages
from shared.web.remote_service import RemoteService
from shared.web.server import HttpThread
from tests.support.callers import SERVICES, callers_of_anybody


class Silent:
    """A service that shows nothing (`shared.inspection.Inspection`)."""

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        return []

    def status(self) -> dict[str, object]:
        return {}


def inspection_app(inspection: Inspection, letters: DeadLetters) -> FastAPI:
    """The part of a service's web process that operations ask."""
    return create_app(
        routers=[inspection_api.routes(inspection, letters)],
        pages=Pages([], demo=False),
        callers=callers_of_anybody(),
        form_secret=b"secret",
        ready=dict,
    )


@contextmanager
def elsewhere(name: str, inspection: Inspection, letters: DeadLetters) -> Iterator[RemoteService]:
    """The service as somebody else reaches it."""
    http = HttpThread(inspection_app(inspection, letters), host="127.0.0.1", port=0)
    http.start()
    try:
        with closing(RemoteService(name, http.address, SERVICES, asked_by="operations")) as remote:
            yield remote
    finally:
        http.stop()
