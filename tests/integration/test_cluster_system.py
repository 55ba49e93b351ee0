"""When a system of many processes counts as at rest, seen from outside; the processes' loops are run by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from services.cluster import ClusterSystem
from services.intake.catalogue import take_in
from services.submission.catalogue.university import GroupEntry
from shared.errors import Unavailable
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.local_bus import LocalBus
from shared.messaging.relay import Relay
from tests.support.databases import settings_in
from tests.support.university import ANN, CY, TUTOR, small_university


@pytest.fixture
def system(tmp_path: Path) -> Iterator[ClusterSystem]:
    (tmp_path / "var").mkdir()
    system = ClusterSystem(settings_in(tmp_path / "var"))
    take_in(system, small_university())
    yield system
    system.platform.close()


def relay(system: ClusterSystem) -> None:
    for service in system.services:
        while Relay(service.database, system.platform.bus).step(threading.Event()):
            pass


def read(system: ClusterSystem, *names: str) -> None:
    for service in system.services:
        if service.name in names:
            loop = ConsumerLoop(system.consumers[service.name], system.platform.bus, service.topics)
            while loop.step(threading.Event()):
                pass


def test_it_is_at_rest_when_everybody_has_read_everything(system: ClusterSystem) -> None:
    relay(system)
    read(system, "submission", "marking", "notifier", "operations")
    assert system.is_settled()


def test_a_fact_that_waits_for_the_bus_is_in_flight(system: ClusterSystem) -> None:
    relay(system)
    read(system, "submission", "marking", "notifier", "operations")
    take_in(system, small_university(groups=[GroupEntry(number="G01", tutor=TUTOR, students=(ANN, CY))]))
    assert not system.is_settled()


def test_a_fact_that_one_service_has_not_read_is_in_flight_though_it_never_began(system: ClusterSystem) -> None:
    relay(system)
    read(system, "submission", "marking", "notifier")
    assert not system.is_settled()


class AwayBus(LocalBus):
    """A bus whose server does not answer."""

    def end_offsets(self) -> NoReturn:
        raise Unavailable


def test_it_is_not_known_to_be_at_rest_while_the_broker_is_away(system: ClusterSystem) -> None:
    relay(system)
    read(system, "submission", "marking", "notifier", "operations")
    system.platform.bus.close()
    system.platform.bus = AwayBus.from_url(system.platform.settings.bus, clock=system.platform.clock)
    assert not system.is_settled()
