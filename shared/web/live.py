"""Figures that a page shows as they change, by server-sent events.

A stream holds no thread: it waits in the event loop, and only a look runs in a thread, for as long as it takes. A
stream ends after a few minutes, so that who asks again is made out anew; and at once when the server leaves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from fastapi import Request
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from shared.web.server import leaving_of

T = TypeVar("T")

EVERY_SECONDS = 2.0
"""How often who watches is shown what there is."""

MOST_SECONDS = 180.0
"""How long a stream lasts: less than the session that it began in is taken for granted."""

RETRY_MILLISECONDS = 1000
"""How long a browser waits before it asks again."""


class SharedLook(Generic[T]):
    """A look that many want at once is done once, and what it saw is good for all for `good_seconds`.

    When nobody asks, nobody looks. It is used from one event loop.
    """

    def __init__(self, look: Callable[[str], T], *, good_seconds: float = EVERY_SECONDS) -> None:
        self._look = look
        self._good_seconds = good_seconds
        self._seen: dict[str, tuple[float, asyncio.Future[T]]] = {}

    async def at(self, what: str = "") -> T:
        """What there is of `what` now, or was a moment ago; raises what the look raises."""
        now = time.monotonic()
        if what not in self._seen or self._is_old(what, now):
            self._seen = {each: seen for each, seen in self._seen.items() if not self._is_old(each, now)}
            self._seen[what] = (now, asyncio.ensure_future(run_in_threadpool(self._look, what)))
        return await asyncio.shield(self._seen[what][1])

    def _is_old(self, what: str, now: float) -> bool:
        """A look that is under way is none, however long it takes."""
        began, seen = self._seen[what]
        return seen.done() and now - began >= self._good_seconds


async def stream(
    request: Request,
    show: Callable[[], Awaitable[str]],
    *,
    every_seconds: float = EVERY_SECONDS,
    most_seconds: float = MOST_SECONDS,
) -> AsyncIterator[ServerSentEvent]:
    """Send what `show` gives as an event `figures`, again and again, until it is time to ask anew."""
    leaving = leaving_of(request)
    until = time.monotonic() + most_seconds
    while not leaving.is_set() and time.monotonic() < until:
        yield ServerSentEvent(raw_data=await show(), event="figures", retry=RETRY_MILLISECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(leaving.wait(), every_seconds)
