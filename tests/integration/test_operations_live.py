"""The pipeline's figures come by themselves to who watches, at the cost of one look for all, and stop at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.testclient import TestClient

from services.operations.pipeline.pages import PipelinePages, routes
from services.operations.pipeline.views import PipelineViews
from shared.errors import Unavailable
from shared.web.app import create_app
from shared.web.live import SharedLook, stream
from shared.web.server import HttpThread
from tests.support.callers import callers_of_anybody, session_token
from tests.support.coroutines import in_a_loop
from tests.support.university import ANN, BEN, OPERATOR, Town, running_town

LIVE = "/operations/live"
AT_ONCE_SECONDS = 2.0
CROWD = 60
"""More than there are threads for requests."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture
def server(town: Town) -> Iterator[HttpThread]:
    server = HttpThread(town.system.app(), host="127.0.0.1", port=0)
    server.start()
    yield server
    server.stop()


@contextmanager
def watching(server: HttpThread, town: Town, query: str = "") -> Iterator[Iterator[str]]:
    """The events of a stream, as they come."""
    headers = town.token("operations", OPERATOR)
    with (
        httpx.Client(trust_env=False, timeout=10) as client,
        client.stream("GET", f"{server.address}{LIVE}{query}", headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[str]:
    """The words of each event."""
    words: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            words.append(line[5:])
        elif not line and words:
            yield "\n".join(words)
            words = []


def allocated(event: str) -> int:
    return int(event.partition('data-stage="allocated">')[2].partition("<")[0])


def test_a_new_piece_of_work_is_in_a_later_event_of_the_same_stream(town: Town, server: HttpThread) -> None:
    with watching(server, town) as seen:
        before = allocated(next(seen))
        assert town.hand_in(ANN if before == 0 else BEN).status_code == 201
        town.settle()
        assert any(allocated(event) == before + 1 for event in (next(seen) for _ in range(3)))


def test_an_assignment_has_figures_of_its_own(town: Town, server: HttpThread) -> None:
    with watching(server, town, "?assignment_id=K827-26J-TMA02") as seen:
        assert allocated(next(seen)) == 0


def test_a_crowd_that_watches_keeps_nobody_waiting(town: Town, server: HttpThread) -> None:
    with ExitStack() as stack:
        crowd = [stack.enter_context(watching(server, town)) for _ in range(CROWD)]
        for each in crowd:
            next(each)
        began = time.monotonic()
        page = httpx.get(f"{server.address}/verify", trust_env=False)
        assert (page.status_code, time.monotonic() - began < AT_ONCE_SECONDS) == (200, True)


def test_a_server_that_leaves_ends_its_streams_at_once(town: Town, server: HttpThread) -> None:
    with watching(server, town) as seen:
        next(seen)
        began = time.monotonic()
        server.stop()
        assert list(seen)[1:] == []
        assert time.monotonic() - began < AT_ONCE_SECONDS


def test_who_may_not_or_is_not_signed_in_any_more_gets_no_stream(town: Town) -> None:
    assert town.get(LIVE, "student", ANN).status_code == 403
    assert town.client.get(LIVE).status_code == 303


def test_a_stream_ends_after_its_time_and_the_browser_is_told_when_to_ask_again() -> None:
    app = FastAPI()

    async def show() -> str:
        return "<p>1</p>"

    @app.get("/live", response_class=EventSourceResponse)
    async def live(request: Request) -> AsyncIterator[ServerSentEvent]:
        async for event in stream(request, show, every_seconds=0.1, most_seconds=0.35):
            yield event

    server = HttpThread(app, host="127.0.0.1", port=0)
    server.start()
    with httpx.Client(trust_env=False) as client, client.stream("GET", f"{server.address}/live") as answer:
        lines = list(islice(answer.iter_lines(), 100))
    server.stop()
    assert 2 <= lines.count("event: figures") <= 5
    assert "retry: 1000" in lines


class Looking:
    """Counts the looks; each takes a moment."""

    def __init__(self) -> None:
        self.looks: list[str] = []
        self.lock = threading.Lock()

    def look(self, what: str) -> int:
        time.sleep(0.05)
        with self.lock:
            self.looks.append(what)
            return len(self.looks)


@in_a_loop
async def test_one_look_serves_all_who_ask_while_it_is_good() -> None:
    looking = Looking()
    shared = SharedLook(looking.look, good_seconds=3600)
    assert looking.looks == []
    assert await asyncio.gather(*(shared.at() for _ in range(50))) == [1] * 50
    assert await shared.at() == 1


@in_a_loop
async def test_a_look_that_is_not_good_any_more_is_done_anew() -> None:
    shared = SharedLook(Looking().look, good_seconds=0)
    assert await asyncio.gather(*(shared.at() for _ in range(50))) == [1] * 50
    assert await shared.at() == 2


@in_a_loop
async def test_who_goes_away_takes_nobodys_look_along() -> None:
    shared = SharedLook(Looking().look, good_seconds=3600)
    leaving = asyncio.ensure_future(shared.at())
    staying = asyncio.ensure_future(shared.at())
    await asyncio.sleep(0.01)
    leaving.cancel()
    assert await staying == 1


def test_what_cannot_be_read_says_so_on_a_page_that_is_whole(town: Town) -> None:
    class Away(PipelineViews):
        def stages(self, assignment_id: str | None = None) -> list[object]:  # type: ignore[override]
            raise Unavailable(f"operations cannot be asked about {assignment_id}")

    def away() -> dict[str, object]:
        raise Unavailable("marking cannot be asked: ConnectError")

    class Silent:
        status = staticmethod(away)

    database = town.system.services[4].database
    views = Away(database, lambda: {"marking": Silent()}, lambda: None)  # type: ignore[dict-item]
    pages = town.system.platform.pages
    app = create_app(
        routers=[routes(PipelinePages(views, pages))],
        pages=pages,
        callers=callers_of_anybody(),
        form_secret=b"secret",
        ready=dict,
    )
    answer = TestClient(app).get("/operations", headers={"authorization": f"Bearer {session_token('operations')}"})
    assert answer.status_code == 200
    assert "The stages could not be read:" in answer.text
    assert "marking cannot be asked: ConnectError" in answer.text
