"""What a composed service is made of, and the loops that drive it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from fastapi import APIRouter

from shared.contracts import Topic
from shared.database import Database
from shared.errors import Unavailable
from shared.inspection import Inspection
from shared.messaging.consumer import HandlerTable
from shared.timers import TimerHandler

log = structlog.get_logger()

IDLE_SECONDS = 0.5
BACK_OFF_SECONDS = 2.0


class Loop(Protocol):
    """Work that comes again and again; `step` does one piece and tells whether there was any."""

    name: str

    def step(self, stop: threading.Event, /) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service as composed: its database, what it consumes, what fires by time, what it serves and shows."""

    name: str
    database: Database
    handlers: HandlerTable = field(default_factory=dict)
    topics: Sequence[Topic] = ()
    timer_handlers: Mapping[str, TimerHandler] = field(default_factory=dict)
    routers: Sequence[APIRouter] = ()
    loops: Sequence[Loop] = ()
    inspection: Inspection


class LoopThread:
    """Runs one loop in a thread until told to stop. `failed` holds the words of a loop that gave up."""

    def __init__(self, loop: Loop, *, on_failure: Callable[[str], None]) -> None:
        self.loop = loop
        self.failed: str | None = None
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=loop.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        self._wake.set()

    def stop(self) -> None:
        """Ask the loop to end after the piece of work in hand."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the end; True when it ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                if self.loop.step(self._stop):
                    continue
                self._wake.wait(IDLE_SECONDS)
            except Unavailable as error:
                log.warning("loop.waiting", loop=self.loop.name, code=error.code)
                self._stop.wait(BACK_OFF_SECONDS)
            except Exception as error:
                self.failed = repr(error)
                log.critical("loop.failed", loop=self.loop.name, exc_info=error)
                self._on_failure(self.loop.name)
                return
