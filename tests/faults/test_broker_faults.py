"""The broker dies, freezes and comes back; workers and relays die in the middle of their work: nothing is lost."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shared.errors import Unavailable
from shared.messaging.bus import Record
from shared.messaging.kafka_bus import DELIVERY_SECONDS, KafkaBus, servers_in
from shared.messaging.message import Message
from tests.conformance.test_bus import a_message
from tests.support.brokers import Broker, own_broker
from tests.support.kafka import make_topic

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # see the fixture `broker`
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with own_broker(tmp_path / "broker") as broker:
        yield broker
    gc.collect()  # sockets on which kafka-python met nobody; it leaves them to the collector


class _Slowly(list[Message]):
    """A batch of which one message comes four seconds after the other, as when a broker is slow to take them."""

    def __iter__(self) -> Iterator[Message]:
        for number, message in enumerate(super().__iter__()):
            time.sleep(4 if number else 0)
            yield message


def test_what_expired_in_the_relay_is_not_overtaken_by_what_came_after_it(broker: Broker) -> None:
    topic = "etma.test.v1"
    make_topic(broker.url, topic, partitions=1)
    bus = KafkaBus(servers_in(broker.url), [topic])
    first, second, third = (a_message(topic, "key", value) for value in (b"1", b"2", b"3"))
    bus.append([first])
    broker.freeze()
    back = threading.Timer(DELIVERY_SECONDS + 1, broker.thaw)  # the second has expired then, the third has not
    back.start()
    with pytest.raises(Unavailable, match="broker"):
        bus.append(_Slowly([second, third]))
    back.join()
    bus.append([second, third])
    assert first_copies(bus.read(topic, 0, offset=0, limit=10)) == [b"1", b"2", b"3"]
    bus.close()


def first_copies(records: Sequence[Record]) -> list[bytes]:
    """What a consumer's inbox lets through."""
    return list(dict.fromkeys(record.value for record in records))
