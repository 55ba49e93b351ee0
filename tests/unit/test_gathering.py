"""What a worker applies together, of the partitions of a topic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from shared.messaging.consumer import BATCH
from shared.messaging.gathering import Gathering
from shared.pace import Pace
from tests.support.coroutines import in_a_loop

SECONDS = 10


class Rests(Pace):
    """A pace that is always as long."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def rest(self, now: float) -> float:
        return self._seconds


class Topic:
    """Partitions with queues of messages, and what was applied of them together."""

    def __init__(self, *, rest: float = 0.0) -> None:
        self.applied: list[list[str]] = []
        self.failure: Exception | None = None
        self.gathering = Gathering(self.handle, Rests(rest))

    async def handle(self, messages: Sequence[Any]) -> None:
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        self.applied.append(list(messages))

    def consume(self, *names: str) -> tuple[asyncio.Task[Sequence[Any]], asyncio.Queue[Any]]:
        """What an agent does: it takes the first message, and leaves the rest in the queue."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        for name in names[1:]:
            queue.put_nowait(event(name))
        return asyncio.create_task(self._apply(event(names[0]), queue)), queue

    async def _apply(self, first: Any, queue: asyncio.Queue[Any]) -> Sequence[Any]:
        return await asyncio.wait_for(self.gathering.apply(first, queue), SECONDS)


def event(name: str) -> Any:
    return SimpleNamespace(message=name)


def names(events: Sequence[Any]) -> list[str]:
    return [each.message for each in events]


@in_a_loop
async def test_what_waits_in_several_partitions_is_applied_together_and_told_to_each() -> None:
    topic = Topic()
    (first, _), (second, _) = topic.consume("a1", "a2"), topic.consume("b1")
    assert (names(await first), names(await second)) == (["a1", "a2"], ["b1"])
    assert topic.applied == [["a1", "a2", "b1"]]


@in_a_loop
async def test_what_comes_during_the_rest_is_applied_with_it() -> None:
    topic = Topic(rest=0.1)
    first, queue = topic.consume("a1")
    await asyncio.sleep(0.01)
    queue.put_nowait(event("a2"))
    second, _ = topic.consume("b1")
    await asyncio.gather(first, second)
    assert topic.applied == [["a1", "a2", "b1"]]


@in_a_loop
async def test_a_whole_batch_waits_for_no_rest() -> None:
    topic = Topic(rest=3600)
    first, queue = topic.consume("a1")
    await asyncio.sleep(0.01)
    for number in range(BATCH):
        queue.put_nowait(event(f"a{number + 2}"))
    await first
    assert (len(topic.applied[0]), queue.qsize()) == (BATCH, 1)


@in_a_loop
async def test_whoever_found_no_room_is_the_first_of_the_next_batch() -> None:
    topic = Topic()
    many = [f"a{number}" for number in range(BATCH)]
    (first, _), (second, _) = topic.consume(*many), topic.consume("b1", "b2")
    await asyncio.gather(first, second)
    assert topic.applied == [many, ["b1", "b2"]]


@in_a_loop
async def test_a_failure_goes_to_everyone_whose_messages_failed_and_to_nobody_else() -> None:
    topic = Topic()
    topic.failure = KeyError("bug")
    (first, _), (second, _) = topic.consume("a1"), topic.consume("b1")
    for each in (first, second):
        with pytest.raises(KeyError):
            await each
    topic.failure = None
    third, _ = topic.consume("a2")
    assert names(await third) == ["a2"]


@in_a_loop
async def test_what_a_queue_raises_is_no_standstill() -> None:
    topic = Topic()
    first, queue = topic.consume("a1", "a2")
    queue.get_nowait = fail  # type: ignore[method-assign] # as one of Faust's that was told to
    with pytest.raises(KeyError):
        await first
    second, _ = topic.consume("b1")
    assert names(await second) == ["b1"]


def fail() -> None:
    raise KeyError("bug")


@in_a_loop
async def test_whoever_was_cancelled_leaves_its_queue_to_the_next_agent_of_the_partition() -> None:
    topic = Topic(rest=0.1)
    first, queue = topic.consume("a1", "a2")
    await asyncio.sleep(0.01)
    first.cancel()
    again = asyncio.create_task(topic.gathering.apply(queue.get_nowait(), queue))
    queue.put_nowait(event("a3"))
    assert names(await again) == ["a2", "a3"]
    assert topic.applied == [["a1", "a2", "a3"]]
