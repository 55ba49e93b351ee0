"""How long the server takes for a page when 30,000 pieces of work have been handed in, in one process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import httpx2 as httpx
import sqlalchemy as sa

from bench.facts import received_of
from bench.figures import table
from deploy.servers.ports import free_port
from services.embedded import Embedded
from services.intake.catalogue import take_in
from services.submission.catalogue.store import assignment_table, enrolment_table
from services.submission.catalogue.university import (
    AssignmentEntry,
    GroupEntry,
    ModuleEntry,
    PresentationEntry,
    StaffEntry,
    StudentEntry,
    University,
)
from services.submission.submissions.store import version_table
from shared.chunks import in_chunks
from shared.contracts import AssignmentKind, SubmissionReceived
from shared.database import insertion
from shared.observability.logs import configure_logs
from shared.web.server import HttpThread
from tests.support.databases import close_all, settings_in
from tests.support.university import time_today

STUDENTS, TUTORS, ASSIGNMENTS = 1200, 48, 25
STUDENT, TUTOR, OPERATOR = "S0000100", "00001004", "00009001"
"""The student is one of the tutor's."""

CHUNK, SAMPLES = 500, 60


@dataclass(frozen=True)
class House:
    """The embedded system, served at `address`."""

    system: Embedded
    address: str

    def person_ref(self, identifier: str) -> str:
        with self.system.identity.database.reading() as connection:
            ref: str = self.system.identity.role_views.person(connection, identifier).person_ref
            return ref

    def token(self, role: str, person: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.system.identity.sessions.sign_in(role=role, identifier=person)}"}


def report(*, quick: bool) -> str:
    """The table: each page in turn, many times over."""
    configure_logs("ERROR")
    assignments = 1 if quick else ASSIGNMENTS
    with TemporaryDirectory() as folder, _house(Path(folder), assignments) as house:
        began = time.monotonic()
        _hand_in(house.system)
        while not house.system.is_settled():
            time.sleep(1)
        took = time.monotonic() - began
        measured = _measured(house, samples=10 if quick else SAMPLES)
    floor = median(measured["floor: /healthz"][0])
    rows = [
        (name, f"{median(ms):.1f}", f"{quantiles(ms, n=20)[18]:.1f}", f"{median(ms) / floor:.1f}", f"{kib:.0f}")
        for name, (ms, kib) in measured.items()
    ]
    title = f"Pages with {STUDENTS * assignments:,} submissions (handled in {took:.0f} s), one process, one at a time"
    return table(title, ("page", "p50 ms", "p95 ms", "of the floor", "KiB"), rows)


@contextmanager
def _house(folder: Path, assignments: int) -> Iterator[House]:
    os.environ.pop("ETMA_TEST_DATABASES", None)
    system = Embedded(settings_in(folder / "var", demo=True))
    take_in(system, _university(assignments))
    system.start()
    server = HttpThread(system.app(), host="127.0.0.1", port=free_port())
    server.start()
    yield House(system, server.address)
    server.stop()
    system.stop()
    close_all()


def _university(assignments: int) -> University:
    """Groups of 25; nobody has an address, so that nothing is mailed."""
    students = tuple(f"S{number:07}" for number in range(STUDENTS))
    tutors = tuple(f"{number:08}" for number in range(1000, 1000 + TUTORS))
    size = STUDENTS // TUTORS
    presentation = PresentationEntry(
        code="26J",
        assignments=tuple(
            AssignmentEntry(
                number=f"TMA{number:02}",
                title=f"Assignment {number}",
                kind=AssignmentKind.TMA,
                cut_off=time_today() + timedelta(days=number),
            )
            for number in range(1, assignments + 1)
        ),
        enrolled=students,
        groups=tuple(
            GroupEntry(number=f"G{number:02}", tutor=tutor, students=students[number * size : (number + 1) * size])
            for number, tutor in enumerate(tutors)
        ),
    )
    operator = StaffEntry(staff_number=OPERATOR, name="Olga", roles=("operations",))
    return University(
        students=tuple(StudentEntry(personal_id=student, name=f"Sam {student}") for student in students),
        staff=(*(StaffEntry(staff_number=tutor, name="Tess") for tutor in tutors), operator),
        modules=(ModuleEntry(code="B100", title="Benchmarks", presentations=(presentation,)),),
    )


def _hand_in(system: Embedded) -> None:
    """Write what handing in writes, but no bytes: no page reads them."""
    columns = {column.name for column in version_table.c}
    for facts in in_chunks(_received(system), CHUNK):
        with system.submission.database.transaction() as tx:
            rows = [
                fact.model_dump(include=columns)
                | {"channel": "api", "band": "on_time", "idempotency_key": fact.submission_id}
                | {"file_name": "answer.pdf", "receipt": "the text of a receipt " * 30}
                for fact in facts
            ]
            tx.write(insertion(version_table), rows)
            tx.publish_all(facts)


def _received(system: Embedded) -> Iterator[SubmissionReceived]:
    works = sa.select(assignment_table.c.assignment_id, enrolment_table.c.presentation_id, enrolment_table.c.person_ref)
    of_all = works.join(enrolment_table, enrolment_table.c.presentation_id == assignment_table.c.presentation_id)
    with system.submission.database.reading() as connection:
        found = connection.execute(of_all).all()
    for row in found:
        yield received_of(*row, now=system.platform.clock.now())


def _measured(house: House, *, samples: int) -> Mapping[str, tuple[list[float], float]]:
    """Of each page its milliseconds and its size in KiB."""
    pages = _pages(house)
    found: dict[str, tuple[list[float], float]] = {}
    with httpx.Client(base_url=house.address, trust_env=False, timeout=60) as client:
        for _ in range(samples):
            for name, (path, headers) in pages.items():
                began = time.perf_counter()
                answer = client.get(path, headers=headers)
                ms = (time.perf_counter() - began) * 1000
                answer.raise_for_status()
                found.setdefault(name, ([], len(answer.content) / 1024))[0].append(ms)
    return found


def _pages(house: House) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    student, tutor = house.token("student", STUDENT), house.token("tutor", TUTOR)
    operator = house.token("operations", OPERATOR)
    with house.system.submission.database.reading() as connection:
        (version, *_) = house.system.submission.views.versions_of(connection, house.person_ref(STUDENT))
    return {
        "floor: /healthz": ("/healthz", {}),
        "student: my work": ("/work", student),
        "student: an assignment": ("/assignments/B100-26J-TMA01", student),
        "student: a receipt": (f"/receipts/{version.submission_id}", student),
        "student: messages": ("/inbox", student),
        "tutor: scripts (200 rows)": ("/tutor", tutor),
        "tutor: a script": (f"/tutor/scripts/{version.work_id}", tutor),
        "operations: pipeline": ("/operations", operator),
        "operations: one assignment": (f"/operations?assignment_id={version.assignment_id}", operator),
        "operations: trail of one work": (f"/operations/trail?q={version.submission_id}", operator),
        "operations: deliveries": ("/deliveries", operator),
        "operations: dead letters": ("/operations/dead-letters", operator),
        "anybody: check a receipt": ("/verify", {}),
    }
