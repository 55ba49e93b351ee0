"""Gathers what waits in the partitions of a topic, for a worker to apply it together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.messaging.consumer import BATCH
from shared.pace import Pace

COUNT_SECONDS = 0.02
"""How often who rests looks whether a whole batch has come."""


@dataclass
class _Waiting:
    """Events of a partition, at first one, the queue of what came behind it, and who waits until they are applied."""

    events: list[Any]
    queue: Any
    applied: asyncio.Future[Sequence[Any]]

    def count(self) -> int:
        return len(self.events) + int(self.queue.qsize())

    def fill(self, most: int) -> None:
        """Take what is there by now; who waited in vain has left the queue to another."""
        while len(self.events) < most and not self.queue.empty() and not self.applied.done():
            self.events.append(self.queue.get_nowait())


class Gathering:
    """What waits of one topic's partitions, to be applied together: a transaction for each fact would cost far more.

    At its pace, unless a whole batch waits. `handle` takes messages, of each partition in order.
    """

    def __init__(self, handle: Callable[[Sequence[Any]], Awaitable[None]], pace: Pace) -> None:
        self._handle = handle
        self._pace = pace
        self._waiting: deque[_Waiting] = deque()
        self._applying: asyncio.Task[None] | None = None

    async def apply(self, first: Any, queue: Any) -> Sequence[Any]:  # noqa: ANN401 - Faust's
        """Apply or leave a partition's event and what is behind it; returns all these, raises what handling raised."""
        applied: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting([first], queue, applied))
        if self._applying is None or self._applying.done():
            self._applying = asyncio.create_task(self._apply_all())
        return await applied

    async def _apply_all(self) -> None:
        while self._waiting:
            await self._rest()
            began = time.monotonic()
            taken: list[_Waiting] = []
            failure: Exception | None = None
            try:
                self._take(taken)
                await self._handle([event.message for each in taken for event in each.events])
            except Exception as error:  # noqa: BLE001 - it is raised where the messages came from
                failure = error
            if sum(len(each.events) for each in taken) < BATCH:
                self._pace.worked(began, time.monotonic())
            for each in taken:
                if each.applied.done():  # who waited for it was cancelled
                    continue
                if failure:
                    each.applied.set_exception(failure)
                else:
                    each.applied.set_result(each.events)

    async def _rest(self) -> None:
        now = time.monotonic()
        until = now + self._pace.rest(now)
        while sum(each.count() for each in self._waiting) < BATCH and (left := until - time.monotonic()) > 0:  # noqa: ASYNC110 - Faust's queues tell nobody
            await asyncio.sleep(min(left, COUNT_SECONDS))

    def _take(self, taken: list[_Waiting]) -> None:
        """Move a batch of what waits to `taken`, the first partition first; raises what a queue was told to raise."""
        room = BATCH
        while self._waiting and room > 0:
            each = self._waiting.popleft()
            taken.append(each)
            each.fill(room)
            room -= len(each.events)
