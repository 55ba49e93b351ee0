"""Killed with -9 at every durable step, and by chance, while work is in flight: nothing is lost or comes twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.oulad import POINTS, assert_audit_clean, assert_whole, figures, replay, small_dataset

PASSES = 4
"""A point is deadly when it is passed for the fourth time: by then other work is in flight."""

pytestmark = pytest.mark.long
SEED = 20131007
CHANCE = 0.006
KILLS = 20


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    return small_dataset(tmp_path / "oulad"), tmp_path / "var"


def test_a_kill_at_every_durable_step_changes_nothing(place: tuple[Path, Path]) -> None:
    for point in POINTS:
        killed = replay(*place, environment={"ETMA_KILL_POINT": f"{point}:{PASSES}"})
        assert killed.returncode == -signal.SIGKILL, f"{point} was not reached: {killed.stdout}{killed.stderr}"
    assert_whole(figures(replay(*place)))
    assert_audit_clean(place[1])


def test_twenty_kills_by_chance_change_nothing(place: tuple[Path, Path]) -> None:
    for kill in range(KILLS):
        killed = replay(*place, environment={"ETMA_KILL_RANDOM": f"{SEED + kill}:{CHANCE}"})
        assert killed.returncode == -signal.SIGKILL, f"kill {kill} came too late: {killed.stdout}{killed.stderr}"
    assert_whole(figures(replay(*place)))
    assert_audit_clean(place[1])
