"""The broker dies, freezes and comes back; workers and relays die in the middle of their work: nothing is lost."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.servers.kafka import KafkaProcess
from services.system import System
from shared.errors import Unavailable
from shared.messaging.bus import Record
from shared.messaging.faust_worker import FaustWorker
from shared.messaging.kafka_bus import DELIVERY_SECONDS, KafkaBus, servers_in
from shared.messaging.message import Message
from shared.roles import KILLED
from shared.settings import Settings
from tests.conformance.test_bus import a_message
from tests.integration.operations_house import received
from tests.support.databases import ManualClock, make_database
from tests.support.kafka import make_topic, sole_use_of_topics
from tests.support.oulad import environment_of
from tests.support.pipe import effects_metadata
from tests.support.processes import Role, roles
from tests.support.worker_house import WorkerHouse, a_topic, wait_until

WORKS = [f"w{number}" for number in range(40)]
ROUNDS = 3
SUPERVISOR_SECONDS = 10.0

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


@pytest.fixture
def house(broker: KafkaProcess, tmp_path: Path) -> Iterator[WorkerHouse]:
    database = make_database(effects_metadata, tmp_path, "marking", ManualClock())
    house = WorkerHouse(broker.address, a_topic(), database)
    make_topic(broker.address, house.topic.name, partitions=4)
    yield house
    house.close()


def test_a_broker_that_dies_under_load_costs_nothing_and_is_seen(house: WorkerHouse, broker: KafkaProcess) -> None:
    with house.worker() as worker:
        for number in range(1, ROUNDS + 1):
            outage = threading.Thread(target=restart, args=(broker, worker))
            outage.start()
            for work in WORKS:
                house.send_for_certain(received(work, version=number))
            outage.join()
        wait_until(lambda: len(house.effects()) >= ROUNDS * len(WORKS))
        assert worker.failed == {}
    assert house.versions_of_each() == {work: list(range(1, ROUNDS + 1)) for work in WORKS}


def restart(broker: KafkaProcess, worker: FaustWorker) -> None:
    """Kill the broker, wait until the worker says that it is not ready, and start it again."""
    wait_until(lambda: not worker.problems())
    broker.kill()
    wait_until(lambda: bool(worker.problems()), seconds=15)
    broker.start()


@pytest.mark.parametrize("role", ["relay", "worker"])
def test_a_process_says_soon_that_its_broker_is_dead(
    broker: KafkaProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    with role_on(broker, tmp_path, monkeypatch, f"marking.{role}") as process:
        broker.kill()
        wait_until(lambda: bool(process.readiness()), seconds=5)
        broker.start()
        process.wait_until_ready()


def test_a_worker_ends_in_time_while_its_broker_is_dead(
    broker: KafkaProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with role_on(broker, tmp_path, monkeypatch, "marking.worker") as worker:
        broker.kill()
        wait_until(lambda: bool(worker.readiness()))
        began = time.monotonic()
        assert worker.stop() in {0, KILLED}  # mostly it can tell nobody that it leaves
        assert time.monotonic() - began < SUPERVISOR_SECONDS


@contextmanager
def role_on(broker: KafkaProcess, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[Role]:
    """A process on this broker, and on databases in a folder; ready."""
    monkeypatch.setenv("ETMA_TEST_KAFKA", broker.address)
    System(Settings(data_dir=folder / "var")).platform.close()
    environment = environment_of(folder / "var", {"ETMA_BUS_URL": broker.address, "ETMA_LOG_LEVEL": "ERROR"})
    with sole_use_of_topics(), roles(environment, name) as running:
        running[name].wait_until_ready()
        yield running[name]
