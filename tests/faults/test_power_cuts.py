"""The power cut at every durable step, and by chance, while work is in flight: no receipt is taken back."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.oulad import FIRST_VERSIONS, POINTS, assert_audit_clean, assert_whole, figures, replay, small_dataset
from tests.support.power import Disk

PASSES = 4
"""As for the kills: a point is deadly when it is passed for the fourth time."""

pytestmark = pytest.mark.long
SEED = 20131007
CUTS = 8
FIRST_SYNCS = (1, 2, 5, 13, 34, 89)
MOST_SYNCS = 400


class House:
    """A replay on a disk whose power is cut, and what its clients remember of their own."""

    def __init__(self, dataset: Path, disk: Disk) -> None:
        self.dataset = dataset
        self.disk = disk
        self.data_dir = disk.root / "homes" / "var"
        self.held: set[str] = set()

    def cut(self, when: Mapping[str, str], luck: random.Random | None = None) -> None:
        """Run until the moment comes, and take the power away; no receipt that a client held durably may be gone."""
        killed = replay(self.dataset, self.data_dir, environment={**self.disk.environment, **when})
        assert killed.returncode == -signal.SIGKILL, f"{when} did not come: {killed.stdout}{killed.stderr}"
        self.disk.cut(luck)
        held = self._receipts()
        assert self.held <= held
        self.held = held

    def assert_all_is_there(self) -> None:
        """Run to the end, cut the power once more and compare with what the clients hold."""
        assert_whole(figures(replay(self.dataset, self.data_dir, environment=self.disk.environment)))
        self.disk.cut()
        assert self.held <= self._receipts()
        assert_audit_clean(self.data_dir)
        self._assert_mail_is_there()

    def _assert_mail_is_there(self) -> None:
        """The audit asks the notifier what it sent; here are the mails themselves."""
        with closing(sqlite3.connect(self.data_dir / "notifier.db")) as connection:
            sent = [row[0] for row in connection.execute("SELECT delivery_id FROM delivery WHERE state = 'sent'")]
        mails = {path.stem for path in (self.data_dir / "mail").rglob("*.eml") if path.read_bytes()}
        assert len(sent) >= FIRST_VERSIONS
        assert set(sent) <= mails

    def _receipts(self) -> set[str]:
        journal = self.data_dir / "replay" / "receipts" / "client.jsonl"
        return set(journal.read_text(encoding="ascii").splitlines()) if journal.exists() else set()


@pytest.fixture
def house(tmp_path: Path, disk: Disk) -> House:
    return House(small_dataset(tmp_path / "oulad"), disk)


def test_a_power_cut_at_every_durable_step_takes_no_receipt_back(house: House) -> None:
    for point in POINTS:
        house.cut({"ETMA_KILL_POINT": f"{point}:{PASSES}"})
    house.assert_all_is_there()


def test_power_cuts_by_chance_take_no_receipt_back(house: House) -> None:
    """In the first start, and later; of what was not synced the kernel had written some."""
    luck = random.Random(SEED)
    for syncs in (*FIRST_SYNCS, *(luck.randint(1, MOST_SYNCS) for _ in range(CUTS))):
        house.cut({"POWER_CUT_AFTER": str(syncs)}, luck)
    house.assert_all_is_there()
