"""Feeds one service's consumer from Kafka, by Faust.

Faust acknowledges a message when an agent's body ends for whatever reason, so that Kafka's committed offsets are worth
nothing here: they only show a lag. The truth is the progress that the consumer keeps in the database, in the
transaction of the effects; after every assignment the partitions are sought to it. An agent that raises ends the
worker before anything else is handled.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pkgutil import resolve_name
from typing import Any

import faust
import structlog
from faust.transport.drivers import aiokafka
from faust.types import TP

from shared.contracts import Topic
from shared.errors import Unavailable, public_name
from shared.messaging.consumer import BATCH, Consumer, Stopped
from shared.messaging.gathering import Gathering
from shared.messaging.kafka_bus import KafkaBus, record_of, servers_in
from shared.messaging.log_watch import LogWatch
from shared.pace import Pace

BUFFER = 4096
"""Messages that wait in a partition's queue: when it is full, Faust's fetching sleeps for a whole second."""
HANDLERS = 4
"""Topics that are handled at once."""
LOOK_SECONDS = 1.0
SILENT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 5.0
STOP_SECONDS = 6.0
COMMIT_SECONDS = 1.0
REQUEST_SECONDS = 30.0
"""What a request to the broker may take; joining the group is one, and others' leaving may take 20 s."""
SEEK_SECONDS = 25.0
"""Less than REQUEST_SECONDS, after which Faust takes the seek for an order to stop, and stands still for ever."""

log = structlog.get_logger()


class Starved(Exception):
    """A partition has records, nobody has any of them in hand, and Faust gives none."""


class FaustWorker:
    """A part of a process (`shared.service.Part`): its event loop has a thread of its own.

    A consumer that stopped keeps its process: it stands still and says so, because a process that is started anew
    would go on burying. What Faust itself cannot go on from ends up in `failed`.
    """

    def __init__(self, servers: Sequence[str], consumer: Consumer, topics: Sequence[Topic]) -> None:
        self.name = f"{consumer.name}.worker"
        self.failed: dict[str, str] = {}
        self._servers = servers
        self._topics = {topic.name: topic for topic in topics}
        bus = KafkaBus(servers, list(self._topics))
        self._feed = _Feed(consumer, bus, self._topics, LogWatch(consumer, bus, self._topics))
        self._stop = threading.Event()
        self._left = True
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    @classmethod
    def from_url(cls, url: str, *, consumer: Consumer, topics: Sequence[Topic]) -> FaustWorker:
        return cls(servers_in(url), consumer, topics)

    def start(self) -> None:
        if resolve_name("faust.streams:_CStreamIterator") is None:
            detail = "Faust was installed without its compiled streams, whose substitute acknowledges stale messages."
            raise RuntimeError(detail)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def join(self, timeout_seconds: float) -> bool:
        self._thread.join(timeout_seconds)
        return self._left and not self._thread.is_alive()

    def problems(self) -> Mapping[str, str]:
        problem = self.failed.get(self.name) or self._feed.problem()
        return {self.name: problem} if problem else {}

    def _run(self) -> None:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # two short outages are 1,650 lines
        runner = asyncio.Runner()
        try:
            runner.run(self._live())
        except Exception as error:
            self.failed[self.name] = f"stopped: {public_name(error)}"
            log.critical("worker.failed", worker=self.name, exc_info=error)
        finally:
            self._feed.close()
            if self._left:
                runner.close()

    async def _live(self) -> None:
        if not await self._topics_are_there():
            return
        app = _application(self.name, self._servers, self._feed, list(self._topics))
        app.loop = asyncio.get_running_loop()
        app.finalize()
        starting, watching = asyncio.create_task(app.start()), asyncio.create_task(self._feed.watch())
        while not (self._stop.is_set() or app.should_stop or self._feed.failure or _failure_of(starting, watching)):
            self._feed.seen_at = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS / 4)
        failure = self._feed.failure or app.crash_reason or _failure_of(starting, watching)
        self._feed.leave()
        watching.cancel()
        await self._leave(app, starting)
        if failure:
            raise failure

    async def _leave(self, app: _App, starting: asyncio.Task[None]) -> None:
        """Leave the group; without a broker Faust waits for minutes, also when cancelled, and is left as it is."""

        async def leave() -> None:
            await asyncio.wait([starting])
            await app.stop()

        done, _ = await asyncio.wait([asyncio.create_task(leave())], timeout=STOP_SECONDS)
        self._left = bool(done)

    async def _topics_are_there(self) -> bool:
        """Waits for them; False when the worker is to stop before."""
        while not self._stop.is_set():
            try:
                missing = await asyncio.to_thread(self._feed.bus.missing)
                self._feed.waits = f"topics are missing: {', '.join(missing)}" if missing else ""
            except Unavailable as error:
                missing, self._feed.waits = [""], f"waits: {error.code}"
            if not missing:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False


def _failure_of(*tasks: asyncio.Task[None]) -> BaseException | None:
    return next((task.exception() for task in tasks if task.done() and task.exception()), None)


@dataclass
class _Feed:
    """What goes on between the event loop and the consumer."""

    consumer: Consumer
    bus: KafkaBus
    topics: Mapping[str, Topic]
    log: LogWatch
    waits: str = "waits: has not joined yet"
    unseen: str = ""
    joined: bool = False
    leaving: bool = False
    failure: BaseException | None = None
    seen_at: float = field(default_factory=time.monotonic)
    kafka: Any = None
    _in_hand: set[str] = field(default_factory=set)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(HANDLERS + 1, "handler"))

    def problem(self) -> str:
        """What keeps the worker from moving, in words for everybody; empty when nothing does."""
        stuck = self.log.stuck(now=time.monotonic())
        return self._obstacle() or ("no progress in {}/{}".format(*stuck[0]) if stuck else "")

    def _obstacle(self) -> str:
        """What is known to keep it from moving."""
        now = time.monotonic()
        if self.consumer.stopped:
            return f"stopped: {self.consumer.stopped}"
        if self.waits or self.unseen:
            return self.waits or self.unseen
        if now - self.seen_at > SILENT_SECONDS:
            return f"its event loop has been silent for {now - self.seen_at:.0f} s"
        if not self.joined or not self._has_coordinator():
            return "waits: the group's coordinator is not known"
        return ""

    def _has_coordinator(self) -> bool:
        """A dead broker shows nowhere else: state, crash flag and assignment all stay as they were."""
        client = self.kafka._thread._consumer if self.kafka else None  # noqa: SLF001 - Faust shows it nowhere
        return client is not None and client._coordinator.coordinator_id is not None  # noqa: SLF001 - nor aiokafka

    async def watch(self) -> None:
        """Look at the log again and again, for as long as it runs."""
        while True:
            assigned = self.kafka.assignment() if self.joined else set()
            try:
                await self._in_thread(lambda places=assigned: self.log.look(places, now=time.monotonic()))
                self.unseen = ""
                self._see_that_it_is_fed()
            except Unavailable as error:
                self.unseen = f"waits: {error.code}"
            except Stopped:
                pass  # the consumer says so itself
            await asyncio.sleep(LOOK_SECONDS)

    def _see_that_it_is_fed(self) -> None:
        """End the worker when Faust gives it nothing more, for whatever reason: who is started anew goes on."""
        stuck = self.log.stuck(now=time.monotonic())
        starved = [place for place in stuck if place[0] not in self._in_hand]
        if starved and not self._obstacle():
            self.fail(Starved("no record of {}/{}".format(*starved[0])))

    async def begin(self, first: Mapping[TP, int], ends: Mapping[TP, int]) -> Mapping[TP, int]:
        """Where each assigned partition goes on, or its first offset when stopped; waits for the database.

        Nowhere when the worker leaves meanwhile.
        """
        self.waits = ""
        while not self.leaving:
            try:
                places = await self._in_thread(self.log.begin, first, ends)
                return {TP(*place): offset for place, offset in places.items()}
            except Stopped:
                return first
            except Unavailable as error:
                self.waits = f"waits: {error.code}"
                await asyncio.sleep(LOOK_SECONDS)
            finally:
                self.waits = "" if self.joined else self.waits
        return {}

    async def handle(self, app: faust.App, messages: Sequence[Any]) -> None:
        """Apply messages of one topic; leaving in between is safe, they will be read again."""
        topic = messages[0].topic
        self._in_hand.add(topic)
        try:
            await self._apply_patiently(app, messages)
        finally:
            self._in_hand.discard(topic)

    async def _apply_patiently(self, app: faust.App, messages: Sequence[Any]) -> None:
        """What came before the last assignment is left: of its partition something may have been passed over since."""
        tries = 0
        while not (self.leaving or app.rebalancing or app.should_stop):
            messages = [each for each in messages if each.generation_id == app.consumer_generation_id]
            if not messages:
                break
            try:
                await self._in_thread(self._apply, messages)
                break
            except Unavailable as error:
                tries += 1
                self.waits = f"waits: {error.code}"
                await asyncio.sleep(min(0.1 * 2 ** min(tries, 8), LONGEST_WAIT_SECONDS))
                self.waits = ""
            except Stopped:
                await asyncio.sleep(LOOK_SECONDS)

    def _apply(self, messages: Sequence[Any]) -> None:
        records = [record_of(message) for message in messages]
        topic = self.topics[records[0].topic]
        self.consumer.handle(topic, records, topic_id=self.log.topic_ids[topic.name])

    async def _in_thread(self, call: Any, *given: Any) -> Any:  # noqa: ANN401 - as run_in_executor
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *given)

    def leave(self) -> None:
        self.leaving = True

    def fail(self, error: BaseException) -> None:
        """End the worker by a bug: what nobody could decide about is not passed over."""
        self.failure = error
        self.leave()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.bus.close()


class _KafkaConsumer(aiokafka.Consumer):
    """Faust's consumer, on the progress of the database."""

    app: _App

    async def perform_seek(self) -> None:
        """Raises `TimeoutError`, which ends the worker; a process that is started anew waits without a limit."""
        await asyncio.wait_for(super().perform_seek(), SEEK_SECONDS)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Called after each assignment; `perform_seek` takes what it returns for committed."""
        feed: _Feed = self.app.feed
        feed.kafka = self
        assigned = self.assignment()
        offsets: Mapping[TP, int] = {}
        if assigned:
            offsets = await feed.begin(await self.earliest_offsets(*assigned), await self.highwaters(*assigned))
        if offsets:  # who leaves has nobody any more who would seek
            await self.seek_wait(offsets)
        return offsets

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ANN401, FBT001, FBT002 - Faust's
        """Give up soon: the call goes to another thread and is lost at times, and who leaves would wait for ever."""
        try:
            return await asyncio.wait_for(super().commit(topics, start_new_transaction), COMMIT_SECONDS)
        except TimeoutError:
            return False

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.app.feed.kafka = self
        await super().on_partitions_assigned(assigned, generation_id)
        self.app.feed.joined, self.app.feed.waits = True, ""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.app.feed.joined = False
        await super().on_partitions_revoked(revoked)


class _Transport(aiokafka.Transport):
    Consumer = _KafkaConsumer


class WithoutTables(faust.App):
    """An application that makes no folders for tables, of which there are none; an image's disk is read-only."""

    def _create_directories(self) -> None:
        """None."""


class _App(WithoutTables):
    """An application whose consumers seek to the progress of `feed`."""

    feed: _Feed

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)

    async def _on_agent_error(self, _agent: Any, exc: BaseException) -> None:  # noqa: ANN401 - Faust's
        """Called before the agent is started anew: that would be behind the batch that failed."""
        self.feed.fail(exc)


def _application(name: str, servers: Sequence[str], feed: _Feed, topics: Sequence[str]) -> _App:
    app = _App(
        name,
        broker=";".join(f"kafka://{server}" for server in servers),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_request_timeout=REQUEST_SECONDS,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=20.0,
        broker_max_poll_records=BATCH,
        stream_buffer_maxsize=BUFFER,
    )
    app.feed = feed
    for topic in topics:
        _consume(app, feed, app.topic(topic, value_type=bytes, value_serializer="raw", key_serializer="raw"))
    return app


def _consume(app: _App, feed: _Feed, topic: Any) -> None:  # noqa: ANN401 - Faust's
    gathering = Gathering(partial(feed.handle, app), Pace())

    async def consume(stream: Any) -> None:  # noqa: ANN401 - Faust's
        async for event in stream.events():
            applied = await gathering.apply(event, stream.channel.queue)
            for one in applied[1:]:
                one.ack()  # only the lag that Kafka shows depends on it

    name = f"{app.conf.id}-{topic.get_topic_name()}"
    app.agent(topic, name=name, isolated_partitions=True)(consume)
