"""What the measurements stand on: a university of many students, on real servers or in one folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.client import Target, form
from services.cluster import ClusterSystem
from services.intake.catalogue import take_in
from services.submission.catalogue.university import (
    AssignmentEntry,
    GroupEntry,
    ModuleEntry,
    PresentationEntry,
    StaffEntry,
    StudentEntry,
    University,
)
from services.system import System
from shared.contracts import AssignmentKind
from tests.support.cluster import LINE, Cluster, new_cluster
from tests.support.databases import close_all, settings_in
from tests.support.processes import Role, roles
from tests.support.serving import served
from tests.support.university import time_today

ASSIGNMENT = "B100-26J-TMA01"
UPLOADS = f"/api/v1/assignments/{ASSIGNMENT}/submissions"
STUDENTS = tuple(f"S{number:07}" for number in range(1, 201))
GROUP = 25
LARGEST_MB = 1024
EVERY_ROLE = (*LINE, "submission.timers")


def university() -> University:
    """Two hundred students in groups of 25, and one assignment that takes a gigabyte."""
    groups = [STUDENTS[first : first + GROUP] for first in range(0, len(STUDENTS), GROUP)]
    tutors = [f"{number:08}" for number in range(1000, 1000 + len(groups))]
    presentation = PresentationEntry(
        code="26J",
        assignments=(
            AssignmentEntry(
                number="TMA01",
                title="Bench",
                kind=AssignmentKind.TMA,
                cut_off=time_today() + timedelta(days=20),
                max_megabytes=LARGEST_MB,
            ),
        ),
        enrolled=STUDENTS,
        groups=tuple(
            GroupEntry(number=f"G{number:02}", tutor=tutor, students=members)
            for number, (tutor, members) in enumerate(zip(tutors, groups, strict=True))
        ),
    )
    return University(
        students=tuple(StudentEntry(personal_id=student, name="Sam") for student in STUDENTS),
        staff=tuple(StaffEntry(staff_number=tutor, name="Tess") for tutor in tutors),
        modules=(ModuleEntry(code="B100", title="Benchmarks", presentations=(presentation,)),),
    )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Databases, topics and a bucket of its own on the servers that the environment names; nothing runs."""
    os.environ["ETMA_TEST_DATABASES"] = "postgresql"
    with TemporaryDirectory() as folder, new_cluster(Path(folder)) as found:
        take_in(found.system, university())
        yield found
    close_all()


@dataclass(frozen=True)
class Line:
    """The processes of the line, all ready, and all that was said before consumed."""

    cluster: Cluster
    running: Mapping[str, Role]

    @property
    def api(self) -> Role:
        return self.running["submission.api"]

    def target(self) -> Target:
        """Our API; the students take turns."""
        return target_of(self.cluster.system, self.api.port)


@contextmanager
def line(found: Cluster) -> Iterator[Line]:
    """Every role of it as a process."""
    with roles(found.environment, *EVERY_ROLE) as running:
        for role in running.values():
            role.wait_until_ready()
        found.settle()
        yield Line(found, running)


@contextmanager
def one_process(folder: Path) -> Iterator[tuple[Cluster, Target]]:
    """The embedded system, served, and its API; what looks at it from outside opens the same files."""
    os.environ.pop("ETMA_TEST_DATABASES", None)
    system = ClusterSystem(settings_in(folder / "var"))
    take_in(system, university())
    with served(folder / "var") as server:
        yield Cluster(system, {}, folder, {}), target_of(system, server.port)
    system.platform.close()


def target_of(system: System, port: int) -> Target:
    """The API of this system on this port; the students take turns."""
    tokens = tokens_of(system)

    def headers(number: int) -> dict[str, str]:
        token = tokens[number % len(tokens)]
        return {"authorization": f"Bearer {token}", "idempotency-key": str(uuid.uuid4())}

    return form(port, UPLOADS, headers)


def tokens_of(system: System) -> list[str]:
    """One for each student."""
    return [system.identity.sessions.sign_in(role="student", identifier=student) for student in STUDENTS]
