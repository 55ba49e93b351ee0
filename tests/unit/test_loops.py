"""Loops that share a thread: what each of them cannot do is told, in words for everybody, while the others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import structlog

from shared.errors import StorageFull
from shared.service import GATHER_SECONDS, LoopThread, seconds_to_gather

SECONDS = 10


class ScriptedLoop:
    """A loop that does as it is told at each step."""

    def __init__(self, name: str, trouble: Exception | None = None) -> None:
        self.name = name
        self.trouble = trouble
        self.steps = 0

    def step(self, _stop: threading.Event, /) -> bool:
        self.steps += 1
        if self.trouble:
            raise self.trouble
        return False


@pytest.fixture
def loops() -> Iterator[tuple[LoopThread, ScriptedLoop, ScriptedLoop]]:
    sound, troubled = ScriptedLoop("sound"), ScriptedLoop("troubled")
    thread = LoopThread("loops", [troubled, sound])
    yield thread, sound, troubled
    thread.stop()
    assert thread.join(SECONDS)


def wait_until(is_so: Callable[[], bool], thread: LoopThread) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        thread.wake()
        time.sleep(0.01)


def test_a_loop_that_waits_for_its_infrastructure_is_told_until_it_moves_again(
    loops: tuple[LoopThread, ScriptedLoop, ScriptedLoop],
) -> None:
    thread, sound, troubled = loops
    troubled.trouble = StorageFull()
    thread.start()
    wait_until(lambda: sound.steps > 1, thread)
    assert thread.problems() == {"troubled": "waits: storage_full"}
    troubled.trouble = None
    wait_until(lambda: thread.problems() == {}, thread)


def test_a_loop_that_gave_up_is_told_by_class_and_reference_and_the_log_has_the_words(
    loops: tuple[LoopThread, ScriptedLoop, ScriptedLoop],
) -> None:
    thread, sound, troubled = loops
    troubled.trouble = KeyError("Ann Example")
    with structlog.testing.capture_logs() as logs:
        thread.start()
        wait_until(lambda: sound.steps > 1, thread)
    (entry,) = (entry for entry in logs if entry["event"] == "loop.failed")
    assert thread.problems() == {"troubled": f"stopped: KeyError, reference {entry['reference']}"}
    assert (entry["exc_info"], troubled.steps) == (troubled.trouble, 1)


def test_who_was_idle_looks_at_once_and_who_has_just_looked_lets_more_work_come() -> None:
    assert seconds_to_gather(100.0, now=100.0 + 2 * GATHER_SECONDS) == 0
    assert seconds_to_gather(100.0, now=100.0) == pytest.approx(GATHER_SECONDS)
