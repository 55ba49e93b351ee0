"""The whole system in one process: every service, its loops, one web application, one data folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.system import System
from shared.contracts import TOPICS
from shared.disk import make_folder_durably
from shared.errors import Conflict
from shared.housekeeping import PRUNE_SECONDS, Chore, Housekeeping
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.local_bus import LocalBus
from shared.messaging.relay import Relay
from shared.persons import CLEAR_SECONDS
from shared.service import Loop, LoopThread, problems_of
from shared.settings import BadSettings, Settings
from shared.timers import TimersLoop
from shared.wiring import Platform

STOP_SECONDS = 10


class Embedded(System):
    """All services with their loops and a bus of their own; nothing runs until `start`."""

    def __init__(self, settings: Settings) -> None:
        make_folder_durably(settings.data_dir)
        super().__init__(settings)
        self.bus = _own_bus(self.platform)
        self.pipeline = LoopThread("pipeline", list(self._pipeline()))
        self.senders = {each.name: LoopThread(each.name, each.loops) for each in self.services if each.loops}
        housekeeping = LoopThread("housekeeping", [Housekeeping(list(self._chores()))])
        self.follow_ups = {
            each.name: LoopThread(f"{each.name}.follow_up", each.follow_up) for each in self.services if each.follow_up
        }
        self.scanners = {
            each.name: LoopThread(f"{each.name}.scanner", each.scanning) for each in self.services if each.scanning
        }
        others = (*self.senders.values(), *self.follow_ups.values(), *self.scanners.values())
        self.threads = [self.pipeline, *others, housekeeping]
        self._wake_each_other()

    def problems(self) -> Mapping[str, str]:
        """The parts that are not well, with words for everybody; cheap, because it is asked every few seconds."""
        needed = [thread for thread in self.threads if thread not in self.scanners.values()]
        moving = {name: words for thread in needed for name, words in thread.problems().items()}
        timers = [loop for loop in self.pipeline.loops if isinstance(loop, TimersLoop)]
        failing = {name: words for loop in timers for name, words in problems_of(loop.name, loop.problems).items()}
        return {**self.stopped(), **moving, **failing, **super().problems()}

    def remarks(self) -> Mapping[str, str]:
        """What waits without anybody's being kept from handing in: work for a scanner that is away."""
        return {name: words for thread in self.scanners.values() for name, words in thread.problems().items()}

    def stopped(self) -> Mapping[str, str]:
        """The parts that gave up and move again only when somebody mends the cause and starts the process anew."""
        failed = {name: words for thread in self.threads for name, words in thread.failed.copy().items()}
        return failed | {name: consumer.stopped for name, consumer in self.consumers.items() if consumer.stopped}

    def start(self) -> None:
        """Start what moves facts in one thread and what talks to the world outside in others; raises `OtherTime`."""
        self.platform.claim_time()
        for service in self.services:
            for recover in service.recover:
                recover()
        for thread in self.threads:
            thread.start()

    def wake(self) -> None:
        """Make every loop look at once: after a stepped clock moved, when timers may be due."""
        for thread in self.threads:
            thread.wake()

    def stop(self) -> bool:
        """Stop all loops after the work in hand; True when all ended within ten seconds."""
        for thread in self.threads:
            thread.stop()
        ended = [thread.join(STOP_SECONDS) for thread in self.threads]
        self.platform.close()
        return all(ended)

    def is_settled(self) -> bool:
        """Whether nothing is in flight: outboxes empty, everything read, no timer due, nothing left to send.

        The parts are looked at one after the other; work could move on behind the look, from a part not yet seen to
        one that was. So the answer counts only when nothing was committed from its beginning to its end.
        """
        before = self._commits()
        moving = any(service.is_moving() for service in self.services)
        return self._all_read() and not moving and before == self._commits()

    def _commits(self) -> int:
        databases = [self.bus.database, *(service.database for service in self.services)]
        return sum(database.commits for database in databases)

    def _all_read(self) -> bool:
        return all(loop.is_caught_up() for loop in self.pipeline.loops if isinstance(loop, ConsumerLoop))

    def _pipeline(self) -> Iterator[Loop]:
        """What moves facts: one thread for all, because they would only wait for one another."""
        for service in self.services:
            yield Relay(service.database, self.bus)
            if service.topics:
                yield ConsumerLoop(self.consumers[service.name], self.bus, service.topics)
            if service.timer_handlers:
                yield TimersLoop(service.database, service.timer_handlers)

    def _chores(self) -> Iterator[Chore]:
        for loop in self.pipeline.loops:
            if isinstance(loop, Relay):
                yield loop.pruning()
        for consumer in self.consumers.values():
            yield consumer.pruning()
        yield Chore(name="bus.prune", every_seconds=PRUNE_SECONDS, run=self._prune_bus)
        yield Chore(name="bus.erased", every_seconds=CLEAR_SECONDS, run=lambda: self.bus.forget_erased(self._read()))
        for service in self.services:
            yield from service.chores
            yield service.persons.chore()

    def _prune_bus(self) -> int:
        """Delete from the bus what is old and what everybody who reads it has applied."""
        return sum(self.bus.prune(TOPICS[topic], part, below=below) for (topic, part), below in self._read().items())

    def _read(self) -> Mapping[tuple[str, int], int]:
        """Of each partition, below which offset everybody who reads it has applied all."""
        ends = self.bus.end_offsets()
        read = {place: ends[place] for place in ends}
        for loop in self.pipeline.loops:
            if isinstance(loop, ConsumerLoop):
                for place, offset in loop.applied().items():
                    read[place] = min(read[place], offset)
        return read

    def _wake_each_other(self) -> None:
        self.bus.on_append(self.pipeline.wake)
        for service in self.services:
            service.database.on_commit(self.pipeline.wake)
        for name, thread in (*self.senders.items(), *self.follow_ups.items(), *self.scanners.items()):
            self.consumers[name].database.on_commit(thread.wake)


def _own_bus(platform: Platform) -> LocalBus:
    if not isinstance(platform.bus, LocalBus):
        detail = "ETMA_BUS_URL: one process has a bus of its own (local://). On a broker each role is a process."
        raise BadSettings(detail)
    return platform.bus


@contextmanager
def sole_user(data_dir: Path) -> Iterator[None]:
    """Keep a second process from running on the same data; raises `Conflict` when there is one."""
    make_folder_durably(data_dir)
    handle = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        detail = f"etma is running on {data_dir} already. Stop it first, or set ETMA_DATA_DIR to another folder."
        raise Conflict(detail) from error
    finally:
        os.close(handle)
