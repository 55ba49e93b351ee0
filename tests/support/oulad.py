"""The dataset's files: the real ones, and small invented ones of the same form; and the replay as a process."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 420
"""A command may take so long: longer than a replay waits until it says what does not come to rest."""
STUDENTS = range(101, 146)
ASSIGNMENTS = ((11, "AAA", 3), (12, "AAA", 6), (21, "BBB", 4))
FIRST_VERSIONS = len(STUDENTS) * len(ASSIGNMENTS)
LATE = FIRST_VERSIONS // 3
COLLECTED_EARLY = FIRST_VERSIONS // 60
VERSIONS = FIRST_VERSIONS + 2 * (FIRST_VERSIONS // 50) + COLLECTED_EARLY

SERVICES = ("identity", "submission", "marking", "notifier", "operations", "bus")
POINTS = (
    *(f"{service}.{moment}" for service in SERVICES for moment in ("before_commit", "committed")),
    *(f"objects.{moment}" for moment in ("written", "synced", "renamed", "durable")),
    "submission.bytes_durable",
    *(f"relay.{moment}" for moment in ("read", "acknowledged")),
    "bus.appended",
    "consumer.applied",
    "timers.fired",
    *(f"mail.{moment}" for moment in ("written", "renamed")),
    *(f"notifier.{moment}" for moment in ("claimed", "delivered", "marked")),
    *(f"replay.{moment}" for moment in ("received", "synced", "settled")),
)
"""Every named moment at which a replay may be killed: `shared/killpoints.py`."""


def real_dataset() -> Path:
    """The folder of the real data: ETMA_OULAD, which must be there when it is set, else beside the project."""
    named = os.environ.get("ETMA_OULAD")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "oulad"
    if not (folder / "studentAssessment.csv").exists():
        if named:
            pytest.fail(f"ETMA_OULAD names {named}, where the dataset is not")
        pytest.skip("the OULAD dataset is not here: set ETMA_OULAD to its folder")
    return folder


def small_dataset(folder: Path) -> Path:
    """Two modules, three assignments, 45 students in both; a third of the works late, a third on the day itself."""
    folder.mkdir(parents=True)
    assessments: list[Sequence[object]] = [
        (module, "2013J", number, "TMA", due, 10) for number, module, due in ASSIGNMENTS
    ]
    assessments += [
        ("AAA", "2013J", 13, "Exam", "", 100),
        ("AAA", "2013J", 14, "CMA", 5, 0),
        ("AAA", "2013B", 15, "TMA", 5, 0),
    ]
    columns = ("code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight")
    _write(folder / "assessments.csv", columns, assessments)
    registered = [(m, "2013J", s, "" if s % 7 == 0 else "-30.0") for m in ("AAA", "BBB") for s in STUDENTS]
    columns = ("code_module", "code_presentation", "id_student", "date_registration")
    _write(folder / "studentRegistration.csv", columns, registered)
    handed_in: list[Sequence[object]] = [
        (number, student, due + student % 3 - 1, 0, 70) for number, _, due in ASSIGNMENTS for student in STUDENTS
    ]
    handed_in += [(11, 999, -1, 1, 60), (14, 101, 5, 0, 60), (15, 101, 5, 0, 60)]
    columns = ("id_assessment", "id_student", "date_submitted", "is_banked", "score")
    _write(folder / "studentAssessment.csv", columns, handed_in)
    return folder


def works_and_late(folder: Path, presentation: str) -> tuple[int, int]:
    """How many live TMAs the presentation has, and how many came on a later day than the cut-off's."""
    days = live_days(folder, presentation)
    return len(days), sum(day > due for due, day in days)


def live_days(folder: Path, presentation: str) -> list[tuple[float, float]]:
    """The day of the cut-off and the day of handing in of each live TMA, read straight from the files."""
    due = {
        row["id_assessment"]: float(row["date"])
        for row in rows_of(folder / "assessments.csv")
        if row["code_presentation"] == presentation and row["assessment_type"] == "TMA"
    }
    return [
        (due[row["id_assessment"]], float(row["date_submitted"]))
        for row in rows_of(folder / "studentAssessment.csv")
        if row["id_assessment"] in due and row["is_banked"] == "0"
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def replay(
    dataset: Path, data_dir: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`etma replay oulad` as a process of its own, with small files."""
    arguments = ["replay", "oulad", str(dataset), "--presentation", "2013J", "--size", "2000", "--json", *options]
    return etma(*arguments, data_dir=data_dir, environment={"ETMA_REPLAY": "1", **(environment or {})})


def etma(*arguments: str, data_dir: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The command `etma` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=Path.cwd(),
        env=environment_of(data_dir, environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def environment_of(data_dir: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of the system: nothing of ours but what is named here."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ETMA_")}
    return {**clean, "ETMA_DATA_DIR": str(data_dir), **more}


def figures(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the replay printed, after it ended well."""
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_whole(found: Mapping[str, Any]) -> None:
    """Every work of the small dataset is in, once, and everybody was told."""
    assert {name: found[name] for name in ("submitted", "late", "versions", "accepted", "scripts", "allocated")} == {
        "submitted": FIRST_VERSIONS,
        "late": LATE,
        "versions": VERSIONS,
        "accepted": VERSIONS,
        "scripts": FIRST_VERSIONS,
        "allocated": FIRST_VERSIONS,
    }
    assert {found[name] for name in ("refused", "held", "dead_letters", "lost", "duplicated", "undecided")} == {0}


def assert_audit_clean(data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
    """`etma audit` from the receipts that the clients kept finds nothing."""
    receipts = data_dir / "replay" / "receipts"
    done = etma(
        "audit", "--receipts", str(receipts), "--settled", "--json", data_dir=data_dir, environment=environment or {}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)["counts"]
    claimed = counts["objects"] - counts.get("objects_unclaimed", 0)
    assert (counts["receipts"], counts["versions"], claimed) == (VERSIONS, VERSIONS, VERSIONS)
    assert (counts["questions"], counts["questions_taken"]) == (COLLECTED_EARLY, COLLECTED_EARLY)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
