"""`/readyz` names every part that does not do its work, in words for everybody, and the lag counts what is unread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.embedded import Embedded
from services.intake.catalogue import take_in
from shared.database import Database
from shared.errors import StorageFull
from shared.settings import Settings
from shared.storage.file_store import FileStore
from shared.timers import Timers
from tests.support.university import Town, embedded_town, running_town, small_university

SECONDS = 10


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path) as town:
        yield town


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def problems(town: Town) -> dict[str, str]:
    answer = town.client.get("/readyz")
    assert answer.status_code == (503 if answer.json()["problems"] else 200)
    found: dict[str, str] = answer.json()["problems"]
    return found


class FullStore(FileStore):
    """A disk without room."""

    def ready(self) -> None:
        raise StorageFull


def test_a_system_in_order_is_ready(town: Town) -> None:
    town.hand_in()
    town.settle()
    assert problems(town) == {}


def test_a_loop_that_gave_up_is_said_to_have_stopped(town: Town) -> None:
    town.system.pipeline.failed["marking.relay"] = "KeyError, reference 1234abcd"
    assert problems(town) == {"marking.relay": "stopped: KeyError, reference 1234abcd"}


def test_a_full_disk_is_not_ready(town: Town, tmp_path: Path) -> None:
    town.system.platform.objects = FullStore(tmp_path / "full")
    assert problems(town) == {"objects": "waits: storage_full"}


def test_timers_that_cannot_be_fired_are_not_ready(town: Town) -> None:
    database: Database = town.system.notifier.service.database
    with database.transaction() as tx:
        Timers().set(tx, kind="digest", key="p1", due_at=tx.now)
        tx.connection.exec_driver_sql("UPDATE timer SET failures = 3, not_before = '9999-01-01T00:00:00+00:00'")
    assert problems(town) == {"notifier.timers": "timers cannot be fired and are tried again: 1 of kind digest"}


def test_a_database_that_cannot_be_asked_is_not_ready(town: Town) -> None:
    def away() -> dict[str, str]:
        raise StorageFull

    object.__setattr__(town.system.services[0], "problems", away)
    assert problems(town) == {"identity": "waits: storage_full"}


def test_a_consumer_that_stopped_before_its_first_fact_lags_by_all_that_it_did_not_read(tmp_path: Path) -> None:
    system = Embedded(Settings(data_dir=tmp_path / "var", digest_window_seconds=0, demo=True))
    take_in(system, small_university())
    system.consumers["marking"].stopped = "everything fails"
    system.start()
    town = embedded_town(system)
    town.hand_in()
    marking = system.inspections()["marking"]
    wait_until(lambda: bool(marking.status()["lag"]))
    ends = system.platform.bus.end_offsets()
    read = ("etma.person.v1", "etma.catalogue.v1", "etma.submission.v1")
    wait_until(lambda: marking.status()["lag"] == sum(end for (topic, _), end in ends.items() if topic in read))
    assert problems(town)["marking"] == "everything fails"
    assert system.stop()


def test_a_bus_made_anew_is_not_ready_and_lags_by_all_of_it(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        town.hand_in()
        town.settle()
    for file in (tmp_path / "var").glob("bus.db*"):
        file.unlink()
    with running_town(tmp_path) as town:
        town.hand_in("P1000002")
        marking = town.system.inspections()["marking"]
        wait_until(lambda: marking.status()["lag"] == 1)
        assert "made anew" in problems(town)["marking"]
