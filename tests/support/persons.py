"""A person who is easy to find again, whose presentation is over or not, and everything in which they might be."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.submission.catalogue.university import GroupEntry, StudentEntry, University
from shared.contracts import PersonRecorded, fact_type
from shared.messaging.message import Message
from tests.support.university import ANN, BEN, CY, OTHER_TUTOR, TUTOR, Town, small_university, time_today

ZEB = "Z7340911"
NAME = "Zebedee Quillfeather"
ADDRESS = "zebedee.quillfeather@example.org"
FILE_NAME = "quillfeather-z7340911.pdf"
CONTENT = f"%PDF-1.4\nby {NAME}, {ZEB}\n".encode()
ERASURE_POINTS = (
    "person.checked",
    "persons.forgotten",
    "persons.cleared",
    "submission.files_erased",
    "bus.erased",
)
"""The moments of an erasure at which a process may die."""

TRACES = (b"zebedee", b"quillfeather", ZEB.lower().encode(), base64.b64encode(FILE_NAME.encode()).lower())
"""What must not be found any more, in small letters."""


def university(*, over: bool = False) -> University:
    """The small one with Zebedee in Ann's group, who leaves; `over`: all its cut-offs have passed."""
    usual = small_university(
        groups=(
            GroupEntry(number="G01", tutor=TUTOR, students=(ANN, ZEB)),
            GroupEntry(number="G02", tutor=OTHER_TUTOR, students=(BEN,)),
        )
    )
    (module,) = usual.modules
    (presentation,) = module.presentations
    passed = time_today() - timedelta(days=2)
    assignments = [
        each.model_copy(update={"cut_off": min(each.cut_off, passed)}) if over else each
        for each in presentation.assignments
    ]
    changed = presentation.model_copy(update={"assignments": tuple(assignments), "enrolled": (ANN, BEN, CY, ZEB)})
    zebedee = StudentEntry(personal_id=ZEB, name=NAME, email=ADDRESS)
    modules = (module.model_copy(update={"presentations": (changed,)}),)
    return usual.model_copy(update={"students": (*usual.students, zebedee), "modules": modules})


def ref_of(town: Town, number: str) -> str:
    return town.system.identity.person_desk.find(number).person_ref


def recorded(person_ref: str, *, revision: int = 1, value: bytes | None = None, sequence: int = 1) -> Message:
    """What identity said of Zebedee, as it comes once more; `value`: as nobody can read it."""
    fact = PersonRecorded(
        person_ref=person_ref, revision=revision, name=NAME, email=ADDRESS, personal_id=ZEB, staff_number=None
    )
    return Message(
        id=f"late-{person_ref}-{revision}-{sequence}",
        type=fact_type(PersonRecorded),
        source="identity",
        topic=PersonRecorded.topic.name,
        key=person_ref,
        time=datetime.now(UTC),
        sequence=sequence,
        correlation_id="late",
        causation_id=None,
        actor="system",
        value=fact.value() if value is None else value,
    )


def traces_under(folder: Path) -> Iterator[str]:
    """Where something of Zebedee is in the names or the bytes of files."""
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes().lower() if path.is_file() else b""
        for trace in TRACES:
            if trace in content or trace in path.name.lower().encode():
                yield f"{path.relative_to(folder)}: {trace.decode()}"
