"""Reads one presentation of the Open University Learning Analytics Dataset (OULAD, CC BY 4.0).

Days count from the presentation's first day, which is day 0; they may be negative. Columns that the replay does not
need may be missing, and so may `date_unregistration`: a student who left did hand in what the data says.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Rejected


class BadDataset(Rejected):
    """The folder does not hold the dataset, or not this presentation."""

    code = "bad_dataset"
    title = "The dataset cannot be read"


@dataclass(frozen=True, kw_only=True)
class DataAssignment:
    """A tutor-marked assignment; `due_day` is the cut-off's day."""

    assessment: int
    module: str
    due_day: int


@dataclass(frozen=True, kw_only=True)
class DataSubmission:
    """A piece of work that was handed in in that presentation (not banked from an earlier one)."""

    assessment: int
    student: int
    day: int


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What the data knows of one presentation over all modules: numbers of students by module, in order."""

    presentation: str
    assignments: tuple[DataAssignment, ...]
    students: dict[str, tuple[int, ...]]
    submissions: tuple[DataSubmission, ...]


def read_dataset(folder: Path, presentation: str) -> Dataset:
    """The data of the presentation (such as `2013J`) in the folder's CSV files; raises `BadDataset`."""
    try:
        return _read(folder, presentation)
    except (KeyError, ValueError) as error:
        raise BadDataset(f"{folder} does not hold the dataset as it was published: {error!r}.") from error


def _read(folder: Path, presentation: str) -> Dataset:
    assignments = tuple(
        DataAssignment(assessment=int(row["id_assessment"]), module=row["code_module"], due_day=int(float(row["date"])))
        for row in _rows(folder, "assessments.csv")
        if row["code_presentation"] == presentation and row["assessment_type"] == "TMA"
    )
    if not assignments:
        raise BadDataset(f"{folder} has no presentation {presentation}; known are {', '.join(_known(folder))}.")
    numbers = {assignment.assessment for assignment in assignments}
    return Dataset(
        presentation=presentation,
        assignments=assignments,
        students=_students(folder, presentation),
        submissions=tuple(_submissions(folder, numbers)),
    )


def _students(folder: Path, presentation: str) -> dict[str, tuple[int, ...]]:
    registered: dict[str, set[int]] = {}
    for row in _rows(folder, "studentRegistration.csv"):
        if row["code_presentation"] == presentation:
            registered.setdefault(row["code_module"], set()).add(int(row["id_student"]))
    return {module: tuple(sorted(students)) for module, students in sorted(registered.items())}


def _submissions(folder: Path, assessments: set[int]) -> Iterator[DataSubmission]:
    for row in _rows(folder, "studentAssessment.csv"):
        if int(row["id_assessment"]) in assessments and row["is_banked"] == "0":
            yield DataSubmission(
                assessment=int(row["id_assessment"]),
                student=int(row["id_student"]),
                day=int(float(row["date_submitted"])),
            )


def _known(folder: Path) -> Iterable[str]:
    return sorted({row["code_presentation"] for row in _rows(folder, "assessments.csv")})


def _rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    path = folder / name
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}.") from error
