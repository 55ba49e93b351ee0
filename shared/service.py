"""What a composed service is made of, and the loops that drive it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from fastapi import APIRouter

from shared.contracts import Topic
from shared.database import Database
from shared.errors import Unavailable, public_name
from shared.housekeeping import Chore
from shared.inspection import Inspection, is_in_flight
from shared.messaging.consumer import HandlerTable
from shared.persons import PersonKeeper
from shared.timers import TimerHandler
from shared.web.callers import Callers

log = structlog.get_logger()

IDLE_SECONDS = 0.5
BACK_OFF_SECONDS = 2.0
GATHER_SECONDS = 0.05
"""How soon a thread that was woken looks again, so that more work may come: one batch of many is cheaper than many of
one. A thread that has been idle for longer looks at once."""


class Loop(Protocol):
    """Work that comes again and again; `step` does one piece and tells whether there was any."""

    name: str

    def step(self, stop: threading.Event, /) -> bool: ...


class Part(Protocol):
    """What runs beside others in a process. `failed` and `problems` name loops, with words for everybody."""

    @property
    def failed(self) -> Mapping[str, str]: ...

    def problems(self) -> Mapping[str, str]: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def join(self, timeout_seconds: float, /) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service as composed: its database, what it consumes, what fires by time, what it serves and shows.

    `recover` puts right what a crash left behind; it runs before anything else does, when nothing is under way.
    `follow_up` is what remains to be done soon after requests were answered.
    `problems` names what is not well in it, with words for everybody; it is asked often and answers from memory.
    `persons` is what it keeps about persons; in a process of its own its worker clears what is left of erased ones.
    `callers` is of the service that keeps the sessions; the others ask it.
    `scanning` is work that hangs on a server of its own kind and that nothing else may wait for.
    `in_flight` tells whether it has work of its own to do yet, beyond facts and timers, at a cost that does not grow.
    """

    name: str
    database: Database
    handlers: HandlerTable = field(default_factory=dict)
    topics: Sequence[Topic] = ()
    timer_handlers: Mapping[str, TimerHandler] = field(default_factory=dict)
    routers: Sequence[APIRouter] = ()
    loops: Sequence[Loop] = ()
    follow_up: Sequence[Loop] = ()
    scanning: Sequence[Loop] = ()
    recover: Sequence[Callable[[], object]] = ()
    chores: Sequence[Chore] = ()
    problems: Callable[[], Mapping[str, str]] = dict
    in_flight: Callable[[], bool] = bool
    inspection: Inspection
    persons: PersonKeeper
    callers: Callers | None = None

    def is_moving(self) -> bool:
        """Whether anything is under way: a fact to publish, a timer that is due, work of its own."""
        return is_in_flight(self.database) or self.in_flight()


def seconds_to_gather(looked_at: float, *, now: float) -> float:
    """How long a thread that is woken `now` waits, which looked last at `looked_at`: seconds of one clock."""
    return max(0.0, looked_at + GATHER_SECONDS - now)


def problems_of(part: str, ask: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
    """What a part says of itself; a part that cannot say it for want of its infrastructure waits for that."""
    try:
        return ask()
    except Unavailable as error:
        return {part: f"waits: {error.code}"}


class LoopThread:
    """Runs loops in turn in one thread until told to stop.

    `failed` holds, for each loop that gave up, what everybody may know and the reference under which the log has the
    rest; `waiting` holds the code of what each loop waits for that waits for its infrastructure.

    Loops that share a thread do not compete for the interpreter, and what gathers while the others have their turn is
    done in one batch. A loop whose infrastructure is away is passed over for a while; the others go on.
    """

    def __init__(self, name: str, loops: Sequence[Loop]) -> None:
        self.loops = loops
        self.failed: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self._not_before: dict[str, float] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look at once instead of at the next poll. The thread need not wake itself: after work it looks again."""
        if threading.current_thread() is not self._thread:
            self._wake.set()

    def stop(self) -> None:
        """Ask the loops to end after the piece of work in hand."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the end; True when it ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def problems(self) -> dict[str, str]:
        """The loops that do not move, with words for everybody."""
        waiting = {name: f"waits: {code}" for name, code in self.waiting.copy().items()}
        return {**waiting, **{name: f"stopped: {words}" for name, words in self.failed.copy().items()}}

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            worked = [self._step(loop) for loop in self.loops]
            looked_at = time.monotonic()
            if not any(worked) and self._wake.wait(IDLE_SECONDS):
                self._stop.wait(seconds_to_gather(looked_at, now=time.monotonic()))

    def _step(self, loop: Loop) -> bool:
        """One step of the loop; whether there was work."""
        if self._stop.is_set() or loop.name in self.failed or time.monotonic() < self._not_before.get(loop.name, 0.0):
            return False
        try:
            worked = loop.step(self._stop)
        except Unavailable as error:
            log.warning("loop.waiting", loop=loop.name, code=error.code)
            self.waiting[loop.name] = error.code
            self._not_before[loop.name] = time.monotonic() + BACK_OFF_SECONDS
        except Exception as error:
            reference = uuid.uuid4().hex[:8]
            self.failed[loop.name] = f"{public_name(error)}, reference {reference}"
            self.waiting.pop(loop.name, None)
            log.critical("loop.failed", loop=loop.name, reference=reference, exc_info=error)
        else:
            self.waiting.pop(loop.name, None)
            return worked
        return False
