"""The audit finds results of the search for malware that were not said, not heard, or never came about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.operations_world import World, finished_world
from tests.integration.test_operations_corrections import found

SCANNED, WAITING = "s-ann-1", "s-bob-1"


@pytest.fixture
def world() -> World:
    """One version was clean and then blocked, one waits for the scanner."""
    world = finished_world()
    world.scan(SCANNED, "clean")
    world.scan(SCANNED, "blocked")
    world.expect_scan(WAITING)
    return world


def test_results_and_a_version_that_waits_for_the_scanner_are_well(world: World, tmp_path: Path) -> None:
    assert found(world, tmp_path) == set()


def ruling(world: World) -> dict[str, object]:
    return next(row for row in world.rulings if row["submission_id"] == SCANNED)


DAMAGES: dict[str, tuple[Callable[[World], object], str]] = {
    "marking goes by an older result": (lambda world: ruling(world).update(scan_outcome="clean"), "scan_differs"),
    "marking goes by a result that nobody said": (
        lambda world: next(r for r in world.rulings if r["submission_id"] == WAITING).update(scan_outcome="clean"),
        "scan_differs",
    ),
    "the row says otherwise than was said": (lambda world: world.scans[0].update(state="clean"), "scan_differs"),
    "a result was never said": (lambda world: world.scans[1].update(state="clean", wanted_at=None), "fact_missing"),
    "the row of a result is gone": (lambda world: world.scans.pop(0), "scan_unknown"),
    "a scan is of no version": (lambda world: world.scans[1].update(submission_id="another"), "scan_unknown"),
    "it waits for nothing": (lambda world: world.scans[1].update(wanted_at=None), "hold_unknown"),
    "it waits in a state that there is none": (lambda world: world.scans[1].update(state="lost"), "hold_unknown"),
    "nobody tells operations staff": (lambda world: world.obligations.pop(), "obligation_missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_found(world: World, tmp_path: Path, damage: str) -> None:
    breaking, code = DAMAGES[damage]
    breaking(world)
    assert code in found(world, tmp_path)
