"""What is replayed when, by fixed rules from the data alone: the same data give the same plan on every machine.

The data has neither second versions nor trouble, so the plan adds them: every 50th work is handed in twice more, every
40th student's group is known three days after the first work came, every 60th work is collected before its second
version, and on the day after its last one the tutor takes that one instead.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.replay.oulad import DataAssignment, Dataset, DataSubmission
from services.submission.catalogue.university import (
    AssignmentEntry,
    GroupEntry,
    ModuleEntry,
    PresentationEntry,
    StaffEntry,
    StudentEntry,
    University,
)
from shared.clock import LONDON
from shared.contracts import AssignmentKind, LatePolicy

GROUP_SIZE: Final = 20
RESUBMITTED: Final = 50
GROUP_LATE: Final = 40
COLLECTED_EARLY: Final = 60
DAYS_WITHOUT_GROUP: Final = 3

MEDIAN_BYTES: Final = 60_000
SPREAD: Final = 0.8
LEAST_BYTES: Final = 400
MOST_BYTES: Final = 5_000_000

_MINUTE: Final = 30
_GROUPS_HOUR: Final = 5
_COLLECT_HOUR: Final = 6


@dataclass(frozen=True, kw_only=True)
class HandingIn:
    """A student hands in a version; `number` counts the works of the plan from 1."""

    number: int
    assignment_id: str
    personal_id: str
    version: int

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt, another for each version."""
        return hashlib.sha256(f"{self.assignment_id}/{self.personal_id}/{self.version}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """A tutor collects a work."""

    assignment_id: str
    personal_id: str
    tutor: str


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """A tutor takes a version that came after collection instead of the earlier one, and collects the work again."""

    collecting: Collecting
    version: int


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What happens at one moment: groups become known, then tutors choose, then collect, then students hand in."""

    moment: datetime
    groups: University | None = None
    choosings: tuple[Choosing, ...] = ()
    collectings: tuple[Collecting, ...] = ()
    handings_in: tuple[HandingIn, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The university as known at `opens_at`, and the slots in the order of time. `works` counts first versions."""

    opens_at: datetime
    university: University
    slots: tuple[Slot, ...]
    works: int

    @property
    def handings_in(self) -> int:
        return sum(len(slot.handings_in) for slot in self.slots)


@dataclass
class _Day:
    """A slot while it is being planned."""

    groups: list[tuple[str, GroupEntry]] = field(default_factory=list)
    choosings: list[Choosing] = field(default_factory=list)
    collectings: list[Collecting] = field(default_factory=list)
    handings_in: list[HandingIn] = field(default_factory=list)


def make_plan(dataset: Dataset, *, limit: int | None = None) -> Plan:
    """The plan for the dataset, or for a fixed sample of `limit` works of it and the students who did them."""
    return _Planner(dataset, _sample(dataset.submissions, limit), everybody=limit is None).plan()


def size_of(handing_in: HandingIn) -> int:
    """The size of its file in bytes, by fixed chance: log-normal, half below 60 KB, at most 5 MB."""
    drawn = _chance("size", handing_in.idempotency_key).lognormvariate(math.log(MEDIAN_BYTES), SPREAD)
    return min(max(int(drawn), LEAST_BYTES), MOST_BYTES)


def content_of(handing_in: HandingIn, size_bytes: int) -> bytes:
    """A file of that size which nobody else hands in."""
    head = b"%PDF-1.7\n"
    return head + _chance("content", handing_in.idempotency_key).randbytes(size_bytes - len(head))


def personal_id_of(student: int) -> str:
    """The PI that the replay gives the dataset's student."""
    return f"R{student:07d}"


class _Planner:
    def __init__(self, dataset: Dataset, submissions: Sequence[DataSubmission], *, everybody: bool) -> None:
        self.presentation = dataset.presentation
        self.first_day = first_monday(dataset.presentation)
        self.submissions = submissions
        self.assignments = _numbered(dataset.assignments)
        self.module_of = {entry.assessment: entry.module for entry in dataset.assignments}
        self.due_day = {entry.assessment: entry.due_day for entry in dataset.assignments}
        self.students = self._students(dataset.students if everybody else {})
        self.first_work = self._first_work()
        self.slots: defaultdict[datetime, _Day] = defaultdict(_Day)

    def plan(self) -> Plan:
        for number, submission in enumerate(self.submissions, start=1):
            self._plan_work(number, submission)
        for module, students in self.students.items():
            self._plan_late_groups(module, students)
        moments = sorted(self.slots)
        return Plan(
            opens_at=moments[0] - timedelta(days=1),
            university=self._university(),
            slots=tuple(self._slot(moment, self.slots[moment]) for moment in moments),
            works=len(self.submissions),
        )

    def _students(self, registered: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
        """Who is registered, and who handed in."""
        found = {module: set(students) for module, students in registered.items()}
        for submission in self.submissions:
            found.setdefault(self.module_of[submission.assessment], set()).add(submission.student)
        return {module: tuple(sorted(students)) for module, students in sorted(found.items())}

    def _first_work(self) -> dict[tuple[str, int], int]:
        first: dict[tuple[str, int], int] = {}
        for submission in self.submissions:
            whose = (self.module_of[submission.assessment], submission.student)
            first[whose] = min(submission.day, first.get(whose, submission.day))
        return first

    def _plan_work(self, number: int, submission: DataSubmission) -> None:
        module = self.module_of[submission.assessment]
        assignment_id = f"{module}-{self.presentation}-{self.assignments[submission.assessment]}"
        personal_id = personal_id_of(submission.student)
        moments = [self._moment(submission.day, _hour(submission))]
        collected_on = self._collected_on(module, submission) if number % COLLECTED_EARLY == 0 else None
        if collected_on is not None:
            moments.append(self._moment(collected_on, _COLLECT_HOUR + 2))
        if number % RESUBMITTED == 0:
            moments = [*moments, moments[-1] + timedelta(hours=2), moments[-1] + timedelta(hours=26)][:3]
        if collected_on is not None:
            tutor = self._tutor(module, self._place(module, submission.student) // GROUP_SIZE)
            collecting = Collecting(assignment_id=assignment_id, personal_id=personal_id, tutor=tutor)
            choosing = Choosing(collecting=collecting, version=len(moments))
            self.slots[self._moment(collected_on, _COLLECT_HOUR)].collectings.append(collecting)
            self.slots[self._moment(collected_on + 1, _COLLECT_HOUR)].choosings.append(choosing)
        for version, moment in enumerate(moments, start=1):
            self.slots[moment].handings_in.append(
                HandingIn(number=number, assignment_id=assignment_id, personal_id=personal_id, version=version)
            )

    def _collected_on(self, module: str, submission: DataSubmission) -> int:
        """The day after the first version came and its tutor is known."""
        return 1 + max(submission.day, self._group_known(module, submission.student))

    def _plan_late_groups(self, module: str, students: Sequence[int]) -> None:
        for place, student in enumerate(students):
            if self._comes_late(module, place, student):
                index = place // GROUP_SIZE
                moment = self._moment(self._group_known(module, student), _GROUPS_HOUR)
                self.slots[moment].groups.append((module, self._group(module, index, _members(students, index))))

    def _comes_late(self, module: str, place: int, student: int) -> bool:
        return (place + 1) % GROUP_LATE == 0 and (module, student) in self.first_work

    def _group_known(self, module: str, student: int) -> int:
        """The day on which it is known who teaches the student."""
        first = self.first_work[module, student]
        return first + DAYS_WITHOUT_GROUP if self._comes_late(module, self._place(module, student), student) else first

    def _place(self, module: str, student: int) -> int:
        return self.students[module].index(student)

    def _moment(self, day: int, hour: int) -> datetime:
        local = datetime.combine(self.first_day + timedelta(days=day), time(hour, _MINUTE), tzinfo=LONDON)
        return local.astimezone(UTC)

    def _slot(self, moment: datetime, day: _Day) -> Slot:
        return Slot(
            moment=moment,
            groups=self._regrouped(day.groups) if day.groups else None,
            choosings=tuple(day.choosings),
            collectings=tuple(day.collectings),
            handings_in=tuple(day.handings_in),
        )

    def _regrouped(self, groups: Iterable[tuple[str, GroupEntry]]) -> University:
        by_module: dict[str, list[GroupEntry]] = {}
        for module, group in groups:
            by_module.setdefault(module, []).append(group)
        return University(
            modules=tuple(
                _module(module, PresentationEntry(code=self.presentation, groups=tuple(found)))
                for module, found in by_module.items()
            )
        )

    def _university(self) -> University:
        everybody = sorted({student for students in self.students.values() for student in students})
        tutors = [tutor for module, students in self.students.items() for tutor in self._tutors(module, students)]
        return University(
            students=tuple(
                StudentEntry(
                    personal_id=personal_id_of(student),
                    name=f"Student {student}",
                    email=f"student-{student}@example.org",
                )
                for student in everybody
            ),
            staff=tuple(
                StaffEntry(staff_number=number, name=f"Tutor {number}", email=f"tutor-{number}@example.org")
                for number in tutors
            ),
            modules=tuple(_module(module, self._presentation(module)) for module in self.students),
        )

    def _presentation(self, module: str) -> PresentationEntry:
        students = self.students[module]
        return PresentationEntry(
            code=self.presentation,
            assignments=tuple(self._assignment(each) for each in self.assignments if self.module_of[each] == module),
            enrolled=tuple(map(personal_id_of, students)),
            groups=tuple(
                self._group(module, index, self._known_at_first(module, index))
                for index in range(math.ceil(len(students) / GROUP_SIZE))
            ),
        )

    def _known_at_first(self, module: str, index: int) -> list[int]:
        start = index * GROUP_SIZE
        members = _members(self.students[module], index)
        return [s for place, s in enumerate(members, start=start) if not self._comes_late(module, place, s)]

    def _assignment(self, assessment: int) -> AssignmentEntry:
        number = self.assignments[assessment]
        return AssignmentEntry(
            number=number,
            title=f"Assignment {number[3:]}",
            kind=AssignmentKind.TMA,
            cut_off=self.first_day + timedelta(days=self.due_day[assessment]),
            late_policy=LatePolicy.ACCEPT_LATE,
        )

    def _group(self, module: str, index: int, students: Sequence[int]) -> GroupEntry:
        return GroupEntry(
            number=f"G{index + 1:03d}",
            tutor=self._tutor(module, index),
            students=tuple(map(personal_id_of, students)),
        )

    def _tutors(self, module: str, students: Sequence[int]) -> Iterator[str]:
        return (self._tutor(module, index) for index in range(math.ceil(len(students) / GROUP_SIZE)))

    def _tutor(self, module: str, index: int) -> str:
        return f"{sorted(self.students).index(module) + 1:04d}{index + 1:04d}"


def first_monday(presentation: str) -> date:
    """The first Monday of the month in which it starts: 2013J in October, by the letter's place in the alphabet."""
    first = date(int(presentation[:-1]), ord(presentation[-1]) - ord("A") + 1, 1)
    return first + timedelta(days=-first.weekday() % 7)


def _module(code: str, presentation: PresentationEntry) -> ModuleEntry:
    return ModuleEntry(code=code, title=f"Module {code}", presentations=(presentation,))


def _members(students: Sequence[int], index: int) -> Sequence[int]:
    return students[index * GROUP_SIZE : (index + 1) * GROUP_SIZE]


def _numbered(assignments: Sequence[DataAssignment]) -> dict[int, str]:
    """TMA01, TMA02, … in each module, by cut-off."""
    counts: defaultdict[str, int] = defaultdict(int)
    numbers = {}
    for entry in sorted(assignments, key=lambda each: (each.module, each.due_day, each.assessment)):
        counts[entry.module] += 1
        numbers[entry.assessment] = f"TMA{counts[entry.module]:02d}"
    return numbers


def _sample(submissions: Sequence[DataSubmission], limit: int | None) -> list[DataSubmission]:
    """All in a fixed order; or the `limit` of them that a fixed hash puts first."""
    chosen = sorted(submissions, key=_digest)[:limit]
    return sorted(chosen, key=lambda each: (each.assessment, each.student))


def _digest(submission: DataSubmission) -> bytes:
    return hashlib.sha256(f"{submission.assessment}/{submission.student}".encode()).digest()


def _hour(submission: DataSubmission) -> int:
    """The local hour, at whose half the work comes: on the day of the cut-off one half before noon, one in grace."""
    return _digest(submission)[0] % 24


def _chance(*seed: str) -> random.Random:
    return random.Random("/".join(seed))
