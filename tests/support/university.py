"""A small university, and ways to act in it, for tests that walk the line; here on the whole embedded system."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import httpx2 as httpx
from starlette.testclient import TestClient

from services.cluster import ClusterSystem
from services.embedded import Embedded
from services.intake.catalogue import take_in
from services.operations.reconciliation.domain import Report
from services.operations.reconciliation.handlers import Question
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
from services.tools import tools_of
from shared.clock import LONDON, SystemClock
from shared.contracts import AssignmentKind, LatePolicy, SubmissionCategory
from shared.messaging.bus import Bus
from tests.support.databases import settings_in

PDF = b"%PDF-1.4\nmy answer\n"
ANN, BEN, CY = "P1000001", "P1000002", "P1000003"
TUTOR, OTHER_TUTOR, OPERATOR = "00000001", "00000002", "00000009"
TMA, PAST, PAPER = "K827-26J-TMA01", "K827-26J-TMA02", "K827-26J-TMA03"
SETTLE_SECONDS = 60


def small_university(*, groups: Sequence[GroupEntry] | None = None) -> University:
    """Three students, two tutors; one assignment open, one long past, one on paper. Cy has no group."""
    today = time_today()
    assignments = (
        AssignmentEntry(number="TMA01", title="Open", kind=AssignmentKind.TMA, cut_off=today + timedelta(days=20)),
        AssignmentEntry(
            number="TMA02",
            title="Past",
            kind=AssignmentKind.TMA,
            cut_off=today - timedelta(days=20),
            late_policy=LatePolicy.REFUSE,
        ),
        AssignmentEntry(
            number="TMA03",
            title="Paper",
            kind=AssignmentKind.TMA,
            cut_off=today + timedelta(days=20),
            category=SubmissionCategory.PAPER_ONLY,
        ),
    )
    usual = (
        GroupEntry(number="G01", tutor=TUTOR, students=(ANN,)),
        GroupEntry(number="G02", tutor=OTHER_TUTOR, students=(BEN,)),
    )
    presentation = PresentationEntry(
        code="26J", assignments=assignments, enrolled=(ANN, BEN, CY), groups=usual if groups is None else tuple(groups)
    )
    return University(
        students=tuple(
            StudentEntry(personal_id=number, name=name, email=f"{name.lower()}@example.org")
            for number, name in ((ANN, "Ann"), (BEN, "Ben"), (CY, "Cy"))
        ),
        staff=(
            StaffEntry(staff_number=TUTOR, name="Tess", email="tess@example.org"),
            StaffEntry(staff_number=OTHER_TUTOR, name="Otto", email="otto@example.org"),
            StaffEntry(staff_number=OPERATOR, name="Olga", email="olga@example.org", roles=("operations",)),
        ),
        modules=(ModuleEntry(code="K827", title="Communities", presentations=(presentation,)),),
    )


def university_due(*, days: int, policy: LatePolicy = LatePolicy.REFUSE, title: str = "Open") -> University:
    """The small one, with its open assignment's cut-off so many days from today."""
    usual = small_university()
    (module,) = usual.modules
    (presentation,) = module.presentations
    changes = {"cut_off": time_today() + timedelta(days=days), "late_policy": policy, "title": title}
    first, *others = presentation.assignments
    moved = presentation.model_copy(update={"assignments": (first.model_copy(update=changes), *others)})
    return usual.model_copy(update={"modules": (module.model_copy(update={"presentations": (moved,)}),)})


def time_today() -> date:
    """Today in the university's time zone."""
    return SystemClock().now().astimezone(LONDON).date()


def settled_audit(system: System, receipts: Path | None = None) -> Report:
    """The audit as `etma audit --settled` runs it."""
    tools = tools_of(system)
    return tools.audit.run(Question(now=tools.now(), machine_now=tools.now(), receipts=receipts, settled=True))


def settle(system: Embedded | ClusterSystem, *, every_seconds: float) -> float:
    """Look so often until nothing is in flight; the seconds it took. Fails after a minute."""
    began = time.monotonic()
    while not system.is_settled():
        statuses = {name: inspection.status() for name, inspection in system.inspections().items()}
        assert time.monotonic() - began < SETTLE_SECONDS, statuses
        time.sleep(every_seconds)
    return time.monotonic() - began


class Town:
    """A running system with short ways to act in it."""

    def __init__(self, system: Embedded | ClusterSystem, client: httpx.Client) -> None:
        self.system = system
        self.client = client

    def token(self, role: str, person: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.system.identity.sessions.sign_in(role=role, identifier=person)}"}

    def hand_in(
        self,
        person: str = ANN,
        *,
        content: bytes = PDF,
        assignment: str = TMA,
        key: str | None = None,
        name: str = "answer.pdf",
    ) -> httpx.Response:
        """Hand in by the API."""
        return self.client.post(
            f"/api/v1/assignments/{assignment}/submissions",
            files={"file": (name, content, "application/pdf")},
            headers={**self.token("student", person), "idempotency-key": key or str(uuid.uuid4())},
        )

    def get(self, path: str, role: str, person: str) -> httpx.Response:
        return self.client.get(path, headers=self.token(role, person))

    def post(self, path: str, role: str, person: str) -> httpx.Response:
        return self.client.post(path, headers=self.token(role, person))

    @property
    def bus(self) -> Bus:
        return self.system.platform.bus

    @contextmanager
    def bus_away(self) -> Iterator[None]:
        """The bus takes nothing within the block: facts wait in the outboxes."""
        with self.bus.database.transaction():  # type: ignore[attr-defined]  # its file has one writer at a time
            yield

    def settle(self) -> float:
        return settle(self.system, every_seconds=0.02)

    def rows(self, service: str, kind: str) -> list[dict[str, object]]:
        """All rows of a service's inspection stream."""
        return self.system.inspections()[service].facts(kind)

    def audit(self, receipts: Path | None = None) -> Report:
        """The audit as `etma audit --settled` runs it."""
        return settled_audit(self.system, receipts)


def embedded_town(system: Embedded) -> Town:
    """The town of a system in this process, whether it runs or not."""
    return Town(system, TestClient(system.app(), client=("127.0.0.1", 50000), follow_redirects=False))


@contextmanager
def running_town(folder: Path, university: University | None = None, **given: object) -> Iterator[Town]:
    """The system with its loops, mail at once; other settings may be given."""
    system = Embedded(settings_in(folder / "var", digest_window_seconds=0, demo=True, **given))
    take_in(system, university or small_university())
    system.start()
    try:
        yield embedded_town(system)
    finally:
        assert system.stop()
