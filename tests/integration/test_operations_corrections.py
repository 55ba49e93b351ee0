"""The audit finds lateness that was corrected and not said, said and not corrected, or shown otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.operations.reconciliation.handlers import Audit, Question
from tests.integration.operations_world import NOON, World, finished_world, verify
from tests.support.objects import FilledStore

CORRECTED = "s-ann-1"


def found(world: World, folder: Path) -> set[str]:
    """The codes of what a settled audit finds."""
    for submission_id, content in world.contents.items():
        FilledStore(folder).put(f"work/{submission_id}", content)
    audit = Audit(world.inspections(), FilledStore(folder), verify)
    report = audit.run(Question(now=NOON + timedelta(hours=1), machine_now=datetime.now(UTC), settled=True))
    return {violation.code.value for violation in report.violations}


@pytest.fixture
def world() -> World:
    """One version was ruled on anew, twice."""
    world = finished_world()
    for band in ("late", "grace"):
        world.correct(CORRECTED, band)
    return world


def test_a_corrected_version_is_well(world: World, tmp_path: Path) -> None:
    assert found(world, tmp_path) == set()


DAMAGES: dict[str, tuple[Callable[[World], object], str]] = {
    "the row of a correction is gone": (lambda world: world.corrections.pop(), "ruling_unknown"),
    "a correction says something else": (lambda world: world.corrections[0].update(band="on_time"), "ruling_differs"),
    "a correction was never announced": (
        lambda world: world.corrections.append({**world.corrections[0], "ruling_id": "another"}),
        "fact_missing",
    ),
    "the student is shown an older one": (
        lambda world: version_of(world.versions).update(corrected_band="late"),
        "state_differs",
    ),
    "the tutor is shown none": (lambda world: version_of(world.rulings).update(corrected_band=None), "state_differs"),
    "nobody tells the student": (lambda world: world.obligations.pop(), "obligation_missing"),
}


def version_of(rows: list[dict[str, object]]) -> dict[str, object]:
    return next(row for row in rows if row["submission_id"] == CORRECTED)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_found(world: World, tmp_path: Path, damage: str) -> None:
    breaking, code = DAMAGES[damage]
    breaking(world)
    assert code in found(world, tmp_path)
