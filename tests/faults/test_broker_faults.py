"""The broker dies, freezes and comes back; workers and relays die in the middle of their work: nothing is lost."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.servers.kafka import KafkaProcess
from shared.errors import Unavailable
from shared.messaging.bus import Record
from shared.messaging.kafka_bus import DELIVERY_SECONDS, KafkaBus, servers_in
from shared.messaging.message import Message
from tests.conformance.test_bus import a_message
from tests.support.kafka import make_topic

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # see the fixture `broker`
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaProcess]:
    broker = KafkaProcess(tmp_path / "broker")
    broker.start()
    yield broker
    broker.kill()
    gc.collect()  # sockets on which kafka-python met nobody; it leaves them to the collector


class _Slowly(list[Message]):
    """A batch of which one message comes four seconds after the other, as when a broker is slow to take them."""

    def __iter__(self) -> Iterator[Message]:
        for number, message in enumerate(super().__iter__()):
            time.sleep(4 if number else 0)
            yield message


def test_what_expired_in_the_relay_is_not_overtaken_by_what_came_after_it(broker: KafkaProcess) -> None:
    topic = "etma.test.v1"
    make_topic(broker.address, topic, partitions=1)
    bus = KafkaBus(servers_in(broker.address), [topic])
    first, second, third = (a_message(topic, "key", value) for value in (b"1", b"2", b"3"))
    bus.append([first])
    signal_to(broker, signal.SIGSTOP)
    expired = DELIVERY_SECONDS + 1  # the second is then, the third is not
    back = threading.Timer(expired, signal_to, (broker, signal.SIGCONT))
    back.start()
    with pytest.raises(Unavailable, match="broker"):
        bus.append(_Slowly([second, third]))
    back.join()
    bus.append([second, third])
    assert first_copies(bus.read(topic, 0, offset=0, limit=10)) == [b"1", b"2", b"3"]
    bus.close()


def signal_to(broker: KafkaProcess, number: signal.Signals) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, number)


def first_copies(records: Sequence[Record]) -> list[bytes]:
    """What a consumer's inbox lets through."""
    return list(dict.fromkeys(record.value for record in records))
