"""How long it takes from a receipt in the student's hands to the tutor's obligation in the notifier's database.

On the way are two topics and three services. Beside it: two topics of kafka-python alone, with nothing in between.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import sqlalchemy as sa
from kafka import KafkaConsumer, KafkaProducer

from bench.client import Target, upload_alone
from bench.figures import PAIRS, Spread, interleaved, ratios, table
from bench.world import Line, cluster, line
from services.notifier.obligations.store import obligations
from shared.contracts import ScriptAllocated, fact_type
from shared.messaging.kafka_bus import servers_in
from tests.support.kafka import new_topic
from tests.support.servers import address

SAMPLES = 20
LOOK_SECONDS = 0.001
WAIT_SECONDS = 30.0
SIZE = 20_000
FIRST, SECOND = "etma.bench.first", "etma.bench.second"


def report(*, quick: bool) -> str:
    """The table: medians of the samples of each turn."""
    with cluster() as found, line(found) as ours, two_hops() as hops:
        target = ours.target()
        turns = {"ours": lambda: _median_ms(lambda: _told(ours, target)), "two hops": lambda: _median_ms(hops)}
        measured = interleaved(turns, pairs=1 if quick else PAIRS)
    rows = [(name, Spread.of(values)) for name, values in measured.items()]
    rows.append(("ours : two hops", ratios(measured["ours"], measured["two hops"])))
    return table("From the receipt to the tutor's obligation, idle", ("way", "p50 ms"), rows)


def _median_ms(sample: Callable[[], float]) -> float:
    return median(sample() for _ in range(SAMPLES)) * 1000


def _told(ours: Line, target: Target) -> float:
    """The seconds between the receipt and the obligation; the students take turns, each hands in once."""
    wanted = sa.select(sa.func.count()).where(obligations.c.event_type == fact_type(ScriptAllocated))
    database = ours.cluster.system.notifier.service.database
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        before = connection.execute(wanted).scalar_one()
        upload_alone(target, SIZE)
        began = time.perf_counter()
        while connection.execute(wanted).scalar_one() == before:
            if time.perf_counter() > began + WAIT_SECONDS:
                raise TimeoutError(f"nobody was told within {WAIT_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)
        return time.perf_counter() - began


@contextmanager
def two_hops() -> Iterator[Hops]:
    """Two topics with a forwarder between them, all acknowledged by all replicas."""
    with new_topic(FIRST, partitions=1), new_topic(SECOND, partitions=1):
        hops = Hops()
        try:
            hops()  # the first one waits for both consumers to have their partitions
            yield hops
        finally:
            hops.close()


class Hops:
    """A call sends one message and returns the seconds until it is back from the second topic."""

    def __init__(self) -> None:
        servers = servers_in(address("kafka"))
        self._producer = KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=0)
        self._forward = KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=0)
        self._middle, self._end = (
            KafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") for topic in (FIRST, SECOND)
        )
        self._closing = threading.Event()
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def __call__(self) -> float:
        began = time.perf_counter()
        self._producer.send(FIRST, str(next(self._numbers)).encode()).get(WAIT_SECONDS)
        next(self._end)
        return time.perf_counter() - began

    def _pass_on(self) -> None:
        while not self._closing.is_set():
            for messages in self._middle.poll(timeout_ms=100).values():
                for message in messages:
                    self._forward.send(SECOND, message.value).get(WAIT_SECONDS)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        for client in (self._producer, self._forward, self._middle, self._end):
            client.close()
