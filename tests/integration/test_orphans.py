"""Bytes without a version: what a crash leaves behind stays for a month, what a broken upload left does not."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from services.submission.upload.handlers import OrphanSweep
from shared.storage.port import ORPHANS_KEPT
from tests.support.objects import FilledStore
from tests.support.university import ANN, PDF, Town, running_town

DAY = timedelta(days=1)


def make_older(path: Path, age: timedelta) -> None:
    moment = time.time() - age.total_seconds()
    os.utime(path, (moment, moment))


def test_an_orphan_stays_for_a_month_and_what_a_version_knows_for_ever(tmp_path: Path) -> None:
    objects = FilledStore(tmp_path)
    for key, age in (("w/young", ORPHANS_KEPT - DAY), ("w/old", ORPHANS_KEPT + DAY), ("w/known", ORPHANS_KEPT * 99)):
        objects.put(key, PDF)
        make_older(objects.path_of(key), age)
    assert OrphanSweep(objects, lambda keys: {"w/known"} & set(keys)).sweep() == 1
    assert sorted(entry.key for entry in objects.walk()) == ["w/known", "w/young"]


def test_a_start_takes_no_bytes_away_even_when_the_database_has_forgotten_them(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        assert town.hand_in(ANN).status_code == 201
        town.settle()
    for file in (tmp_path / "var").glob("submission.db*"):
        file.unlink()
    with running_town(tmp_path) as town:
        assert len(list(town.system.platform.objects.walk())) == 1


def test_a_start_clears_broken_uploads_away(tmp_path: Path) -> None:
    partial = tmp_path / "var" / "objects" / "partial"
    partial.mkdir(parents=True)
    (partial / "half").write_bytes(PDF)
    with running_town(tmp_path) as town:
        town.settle()
        assert names_in(town) == []


def names_in(town: Town) -> list[str]:
    return sorted(path.name for path in (town.system.platform.settings.data_dir / "objects" / "partial").iterdir())
