"""Bytes without a version: what a crash left is cleared away a month after it was noticed, and too much of it never."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from services.submission.tables import metadata
from services.submission.upload.domain import Tally
from services.submission.upload.handlers import OrphanSweep
from services.submission.upload.store import OrphanStore, Place
from shared.storage.port import ORPHANS_KEPT
from tests.support.databases import ManualClock, make_database
from tests.support.objects import VERSION, LockingStore
from tests.support.university import ANN, PDF, Town, running_town

DAY = timedelta(days=1)


class Attic:
    """Objects of any age, of which versions know some, and the sweep over them."""

    def __init__(self, folder: Path) -> None:
        self.versions: set[str] = set()
        self.clock = ManualClock()
        self.objects = LockingStore(folder, self.clock)
        self.database = make_database(metadata, folder, "submission", self.clock)
        self.start()

    def start(self) -> None:
        """A sweep without memory, as a process that starts has it."""
        self.sweep = OrphanSweep(
            objects=self.objects,
            known=self.known,
            database=self.database,
            store=OrphanStore(),
            clock=self.clock,
        )

    def known(self, keys: Sequence[str]) -> set[Place]:
        return {(key, VERSION) for key in self.versions & set(keys)}

    def put(self, *keys: str, age: timedelta = ORPHANS_KEPT * 9) -> None:
        for key in keys:
            self.objects.put(key, PDF)
            make_older(self.objects.path_of(key), age)

    def stored(self) -> list[str]:
        return sorted(entry.key for entry in self.objects.walk())

    def sweep_daily(self, days: int) -> int:
        deleted = 0
        for _ in range(days):
            self.start()
            deleted += self.sweep.sweep()
            self.clock.advance(DAY)
        return deleted


@pytest.fixture
def attic(tmp_path: Path) -> Iterator[Attic]:
    attic = Attic(tmp_path)
    attic.versions = {"w/known", "w/other"}
    attic.put(*attic.versions)
    yield attic
    attic.database.close()


def make_older(path: Path, age: timedelta) -> None:
    moment = time.time() - age.total_seconds()
    os.utime(path, (moment, moment))


def test_an_orphan_of_any_age_stays_for_a_month_after_it_was_noticed_and_what_a_version_knows_for_ever(
    attic: Attic,
) -> None:
    attic.put("w/orphan")
    assert attic.sweep_daily(ORPHANS_KEPT // DAY) == 0
    assert attic.stored() == ["w/known", "w/orphan", "w/other"]
    assert attic.sweep_daily(1) == 1
    assert attic.stored() == ["w/known", "w/other"]
    assert attic.sweep_daily(90) == 0


def test_an_object_that_a_version_knows_again_begins_anew(attic: Attic) -> None:
    attic.put("w/back")
    attic.sweep_daily(20)
    attic.versions.add("w/back")
    attic.sweep_daily(1)
    attic.versions.remove("w/back")
    assert attic.sweep_daily(30) == 0
    assert attic.sweep_daily(1) == 1


def test_what_a_version_knows_again_after_the_walk_is_not_deleted(attic: Attic) -> None:
    attic.put("w/late")
    attic.sweep_daily(1)
    attic.clock.advance(ORPHANS_KEPT)
    answers = iter([attic.versions, attic.versions | {"w/late"}])
    attic.sweep.known = lambda keys: {(key, VERSION) for key in next(answers) & set(keys)}
    assert attic.sweep.sweep() == 0
    assert "w/late" in attic.stored()


def test_a_crash_between_the_bytes_and_the_note_deletes_once_more_what_is_gone(attic: Attic) -> None:
    attic.put("w/orphan")
    attic.sweep_daily(1)
    attic.objects.delete("w/orphan", "1")
    attic.clock.advance(ORPHANS_KEPT)
    attic.sweep.sweep()
    with attic.database.reading() as connection:
        assert OrphanStore().noted(["w/orphan"], connection) == set()


def test_a_second_object_under_the_key_of_a_version_is_an_orphan(attic: Attic) -> None:
    """An object whose answer was lost is stored once more; a version knows the one that was answered for."""
    with attic.objects.writer("w/known") as writer:
        writer.write(PDF)
        unknown = writer.finish()
    assert attic.sweep_daily(31) == 1
    assert attic.objects.stat("w/known", unknown.version) is None
    assert attic.stored() == ["w/known", "w/other"]


def test_an_orphan_that_the_store_keeps_stops_nobody_and_is_tried_again(attic: Attic) -> None:
    attic.put("w/kept", "w/orphan")
    attic.objects.retain("w/kept", VERSION, attic.clock.now() + ORPHANS_KEPT * 1.5)
    assert attic.sweep_daily(ORPHANS_KEPT // DAY + 1) == 1
    assert attic.stored() == ["w/kept", "w/known", "w/other"]
    assert attic.sweep_daily(ORPHANS_KEPT // DAY + 1) == 1
    assert attic.stored() == ["w/known", "w/other"]


def test_without_any_version_nothing_is_ever_deleted(attic: Attic) -> None:
    attic.versions.clear()
    assert attic.sweep_daily(90) == 0
    assert len(attic.stored()) == 2


def test_too_many_orphans_are_kept_and_a_person_is_told(attic: Attic) -> None:
    lost = [f"w/lost-{number}" for number in range(11)]
    attic.put(*lost)
    assert attic.sweep_daily(60) == 0
    assert len(attic.stored()) == 13
    assert "no version knows 11 of 13 stored objects" in attic.sweep.problems()["submission.orphans"]
    attic.versions.update(lost)
    assert attic.sweep_daily(1) == 0
    assert attic.sweep.problems() == {}


@pytest.mark.parametrize(
    ("known", "orphans", "suspicious", "alarming"),
    [
        (0, 0, False, False),
        (0, 1, True, False),
        (0, 11, True, True),
        (5, 5, False, False),
        (5, 6, True, False),
        (1000, 100, False, False),
        (1000, 101, True, True),
        (1_000_000, 5_000, False, False),
        (1_000_000, 20_000, True, True),
    ],
)
def test_orphans_are_too_many_for_crashes(known: int, orphans: int, *, suspicious: bool, alarming: bool) -> None:
    tally = Tally(known=known, orphans=orphans)
    assert (tally.is_suspicious, tally.is_alarming) == (suspicious, alarming)


@pytest.mark.sqlite
def test_a_start_with_a_lost_database_takes_no_old_bytes_away_and_is_not_ready(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        for number in range(11):
            assert town.hand_in(ANN, content=PDF + bytes([number])).status_code == 201
        town.settle()
    for path in (tmp_path / "var" / "objects" / "data").glob("*/*"):
        make_older(path, ORPHANS_KEPT * 2)
    for file in (tmp_path / "var").glob("submission.db*"):
        file.unlink()
    with running_town(tmp_path) as town:
        deadline = time.monotonic() + 10
        while "submission.orphans" not in town.client.get("/readyz").json()["problems"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(list(town.system.platform.objects.walk())) == 11


def test_a_start_clears_broken_uploads_away(tmp_path: Path) -> None:
    partial = tmp_path / "var" / "objects" / "partial"
    partial.mkdir(parents=True)
    (partial / "half").write_bytes(PDF)
    with running_town(tmp_path) as town:
        town.settle()
        assert names_in(town) == []


def names_in(town: Town) -> list[str]:
    return sorted(path.name for path in (town.system.platform.settings.data_dir / "objects" / "partial").iterdir())
