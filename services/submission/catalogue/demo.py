"""The demo university: one module, five assignments, forty students in two groups, invented from end to end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from services.submission.catalogue.university import (
    AssignmentEntry,
    GroupEntry,
    ModuleEntry,
    PresentationEntry,
    StaffEntry,
    StudentEntry,
    University,
)
from shared.contracts import AssignmentKind, LatePolicy

_FIRST: Final = (
    "Ada", "Bronwen", "Chidi", "Dafydd", "Élodie", "Farah", "Gethin", "Hana", "Idris", "Jürgen",
    "Kwame", "Leila", "Małgorzata", "Ngozi", "Oisín", "Priya", "Quentin", "Rosa", "Søren", "Tamsin",
)  # fmt: skip
_LAST: Final = (
    "Abara", "Beddoes", "Cartwright", "Dlamini", "Eriksson", "Featherstonehaugh-Montgomery", "García", "Hussain",
    "Iwu", "Jones",
)  # fmt: skip
_SEPTEMBER = 9


def demo_university(today: date) -> University:
    """The university as it stands on its first day: one cut-off just past, one soon, the others ahead."""
    code = f"{today.year % 100}{'J' if today.month >= _SEPTEMBER else 'B'}"
    students = tuple(_student(number) for number in range(40))
    staff = (
        StaffEntry(staff_number="00001001", name="Marged Pritchard", email="m.pritchard@example.org"),
        StaffEntry(staff_number="00001002", name="Samuel Okonkwo", email="s.okonkwo@example.org"),
        StaffEntry(staff_number="00009001", name="Ines Duarte", email="operations@example.org", roles=("operations",)),
        StaffEntry(staff_number="00009002", name="Adaeze Nwosu", email="roles@example.org", roles=("admin",)),
        StaffEntry(
            staff_number="00009003", name="Tom Harries", email="support@example.org", roles=("support", "proxy")
        ),
    )
    ids = tuple(student.personal_id for student in students)
    presentation = PresentationEntry(
        code=code,
        assignments=tuple(_assignments(today)),
        enrolled=ids,
        groups=(
            GroupEntry(number="G01", tutor="00001001", students=ids[:20]),
            GroupEntry(number="G02", tutor="00001002", students=ids[20:]),
        ),
    )
    module = ModuleEntry(code="K827", title="Communities, data and care", presentations=(presentation,))
    return University(students=students, staff=staff, modules=(module,))


def _student(number: int) -> StudentEntry:
    first, last = _FIRST[number % 20], _LAST[(number * 3 + number // 20) % 10]
    personal_id = f"P{4000001 + number * 37}"
    return StudentEntry(personal_id=personal_id, name=f"{first} {last}", email=f"{personal_id.lower()}@example.org")


def _assignments(today: date) -> list[AssignmentEntry]:
    titles = ("Describing a community", "Reading the figures", "A plan for change", "Looking back")
    days = (-10, 6, 48, 90)
    tmas = [
        AssignmentEntry(
            number=f"TMA{index:02d}",
            title=title,
            kind=AssignmentKind.TMA,
            cut_off=today + timedelta(days=day),
            late_policy=LatePolicy.ACCEPT_LATE if index == 1 else LatePolicy.REFUSE,
            final=index == len(titles),
        )
        for index, (title, day) in enumerate(zip(titles, days, strict=True), start=1)
    ]
    ema = AssignmentEntry(
        number="EMA30", title="Project report", kind=AssignmentKind.EMA, cut_off=today + timedelta(days=130)
    )
    return [*tmas, ema]
