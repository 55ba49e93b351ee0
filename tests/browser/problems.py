"""A server whose every page is a problem: how each kind of failure looks to people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query

from deploy.servers.ports import free_port
from services.submission.resumable.domain import Gone, Locked
from shared.errors import Conflict, Forbidden, StorageFull, Unavailable
from shared.web.app import create_app, routes_of
from shared.web.brand import Brand
from shared.web.envelope import BodyTooLarge
from shared.web.limits import TooManyRequests
from shared.web.pages import Pages
from shared.web.rights import PUBLIC, RIGHTS
from shared.web.server import HttpThread
from shared.web.sessions import UnderMaintenance, WrongForm
from tests.support.callers import callers_of_anybody

MAINTENANCE = (
    "We are moving the service to new machines, until about 10:00 on Sunday 29 November 2026. What you have handed in "
    "is safe. No cut-off falls into this time."
)
FAILURES: Mapping[str, Exception] = {
    "not-found": HTTPException(404),
    "forbidden": Forbidden("Only the role tutor may do this. If you have it too, sign out and sign in with it."),
    "form-expired": WrongForm(),
    "conflict": Conflict("The script was collected by another tutor in between. Go back to your scripts."),
    "gone": Gone("The upload was deleted, because nothing came for a week. Please choose the file again."),
    "too-large": BodyTooLarge(),
    "locked": Locked("Another request writes this upload. Please try again in some seconds."),
    "too-many-requests": TooManyRequests("Please wait 12 seconds and send it again. Nothing was received."),
    "bug": RuntimeError("a bug"),
    "unavailable": Unavailable(),
    "maintenance": UnderMaintenance(MAINTENANCE),
    "storage-full": StorageFull(),
}
PROBLEMS = (*FAILURES, "invalid")


@contextmanager
def served_problems() -> Iterator[str]:
    """Its address; the pages are at `/problem/` and their names in `PROBLEMS`."""
    server = HttpThread(_app(), host="127.0.0.1", port=free_port())
    server.start()
    yield server.address
    server.stop()


def _app() -> FastAPI:
    router = APIRouter()

    @router.get("/problem/invalid")
    def invalid(number: Annotated[int, Query(alias="number of pages")]) -> int:
        return number

    @router.get("/problem/{name}")
    def fail(name: str) -> None:
        raise FAILURES[name]

    return create_app(
        routers=[router],
        pages=Pages([], demo=False, brand=Brand(help="mailto:help@example.org")),
        callers=callers_of_anybody(),
        form_secret=b"secret",
        ready=dict,
        rights={**RIGHTS, **dict.fromkeys(routes_of(router), PUBLIC)},
    )
