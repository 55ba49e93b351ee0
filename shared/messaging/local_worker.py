"""Feeds one service's consumer from the embedded bus, in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts import Topic
from shared.messaging.consumer import Consumer, ConsumerLoop
from shared.messaging.local_bus import LocalBus
from shared.service import LoopThread


class LocalWorker(LoopThread):
    """A consumer's loop on the bus of `local:///PATH`; it looks twice a second, as no append wakes it."""

    @classmethod
    def from_url(cls, url: str, *, consumer: Consumer, topics: Sequence[Topic]) -> LocalWorker:
        bus = LocalBus.from_url(url, clock=consumer.database.clock)
        return cls("worker", [ConsumerLoop(consumer, bus, topics)])
