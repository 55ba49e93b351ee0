"""Two processes hand in for one student at once, in every interleaving of their statements."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from services.submission.catalogue.domain import Assignment
from services.submission.catalogue.views import CatalogueViews
from services.submission.deadlines.views import Deadlines
from services.submission.negotiation.views import RequestViews
from services.submission.submissions.domain import Attempt, KeyReused, Refused, too_large
from services.submission.submissions.handlers import Accepted, HandIn
from services.submission.submissions.store import SubmissionStore, refusal_table, version_table
from services.submission.tables import metadata
from shared.contracts import AssignmentKind, Channel, LatePolicy, SubmissionCategory, work_id_of
from shared.database import Database
from shared.errors import Unavailable
from shared.messaging.tables import outbox
from shared.storage.file_store import FileStore
from tests.support.databases import ManualClock, make_server_database
from tests.support.interleaving import interleaved
from tests.support.quota import QUOTA
from tests.support.receipt_keys import signing_ring
from tests.support.university import PDF

pytestmark = pytest.mark.cluster

TMA01, TMA02 = "K827-26J-TMA01", "K827-26J-TMA02"


class Desk:
    """The use case on a real server."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.database: Database = make_server_database(metadata, "submission", self.clock)
        self.objects = FileStore(folder)
        self.hand_in = HandIn(
            database=self.database,
            objects=self.objects,
            catalogue=CatalogueViews(),
            deadlines=Deadlines(RequestViews().protected),
            store=SubmissionStore(),
            signer=signing_ring(folder / "keys", self.database),
            issuer="https://etma.example",
            quota=QUOTA,
        )
        self.assignments = {each: self._assignment(each) for each in (TMA01, TMA02)}

    def _assignment(self, assignment_id: str) -> Assignment:
        return Assignment(
            assignment_id=assignment_id,
            revision=1,
            presentation_id="K827-26J",
            module_code="K827",
            module_title="Communities",
            title="An essay",
            kind=AssignmentKind.TMA,
            cut_off_at=self.clock.now() + timedelta(days=1),
            grace_ends_at=self.clock.now() + timedelta(days=2),
            late_policy=LatePolicy.REFUSE,
            category=SubmissionCategory.ONLINE_ONLY,
            allowed_types=("pdf",),
            max_bytes=1000,
            max_name_length=50,
            scored=True,
            anonymous=False,
            final=False,
        )

    def attempt(self, student: int, key: str, assignment_id: str = TMA01) -> Attempt:
        ref = f"p{student}"
        return Attempt(
            assignment_id=assignment_id,
            person_ref=ref,
            submitted_by=ref,
            channel=Channel.API,
            idempotency_key=key,
            started_at=self.clock.now(),
        )

    def work(self, student: int, key: str, assignment_id: str = TMA01) -> Callable[[], Accepted]:
        attempt = self.attempt(student, key, assignment_id)

        def hand_in() -> Accepted:
            with self.hand_in.incoming(attempt, self.assignments[assignment_id]) as incoming:
                incoming.take_name("essay.pdf")
                incoming.write(PDF)
                return self.hand_in.complete(attempt, incoming)

        return hand_in

    def refusal(self, student: int, key: str) -> Callable[[], None]:
        attempt, assignment = self.attempt(student, key), self.assignments[TMA01]

        def refuse() -> None:
            with self.hand_in.recording_refusals(attempt, assignment):
                raise too_large(assignment)

        return refuse

    def rows(self, table: sa.Table, student: int) -> list[Any]:
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(table).where(table.c.person_ref == f"p{student}")))

    def said(self, student: int) -> list[tuple[str, str]]:
        """The facts about the student's first work: the end of their type, and their number."""
        said = sa.select(outbox.c.type, outbox.c.headers).where(outbox.c.key == work_id_of(TMA01, f"p{student}"))
        with self.database.reading() as connection:
            rows = connection.execute(said.order_by(outbox.c.position)).all()
        return [(row.type.split(".")[-2], row.headers["ce_sequence"]) for row in rows]

    def objects_of(self, student: int) -> set[str]:
        prefixes = [f"{each}/{work_id_of(each, f'p{student}')}" for each in (TMA01, TMA02)]
        return {entry.key for prefix in prefixes for entry in self.objects.walk(prefix)}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_two_versions_have_two_numbers(desk: Desk) -> None:
    for student, ends in interleaved(desk.database, lambda n: (desk.work(n, f"{n}a"), desk.work(n, f"{n}b"))):
        assert {ends.first.version, ends.second.version} == {1, 2}, ends
        assert desk.said(student) == [("SubmissionReceived", "1"), ("SubmissionReceived", "2")]


def test_one_key_has_one_receipt(desk: Desk) -> None:
    for student, ends in interleaved(desk.database, lambda n: (desk.work(n, str(n)), desk.work(n, str(n)))):
        assert ends.first.receipt == ends.second.receipt, ends
        (version,) = desk.rows(version_table, student)
        assert desk.objects_of(student) == {version.object_key}
        assert desk.said(student) == [("SubmissionReceived", "1")]


def test_one_key_is_for_one_assignment(desk: Desk) -> None:
    for student, ends in interleaved(desk.database, lambda n: (desk.work(n, str(n)), desk.work(n, str(n), TMA02))):
        outcomes = sorted(type(each).__name__ for each in (ends.first, ends.second))
        assert outcomes == [Accepted.__name__, KeyReused.__name__], ends
        (version,) = desk.rows(version_table, student)
        assert desk.objects_of(student) == {version.object_key}


def test_one_key_has_one_refusal(desk: Desk) -> None:
    for student, ends in interleaved(desk.database, lambda n: (desk.refusal(n, str(n)), desk.refusal(n, str(n)))):
        assert [type(each) for each in (ends.first, ends.second)] == [Refused, Refused], ends
        assert len(desk.rows(refusal_table, student)) == 1
        assert desk.said(student) == [("SubmissionRefused", "1")]


def test_of_two_at_once_for_the_last_place_one_is_handed_in(desk: Desk) -> None:
    desk.hand_in.quota = replace(QUOTA, versions=2)

    def scene(student: int) -> tuple[Callable[[], Accepted], Callable[[], Accepted]]:
        desk.work(student, f"{student}-first")()
        return desk.work(student, f"{student}a"), desk.work(student, f"{student}b")

    for student, ends in interleaved(desk.database, scene):
        assert sorted(type(each).__name__ for each in (ends.first, ends.second)) == ["Accepted", "Refused"], ends
        rows = desk.rows(version_table, student)
        assert sorted(row.version for row in rows) == [1, 2]
        assert desk.objects_of(student) == {row.object_key for row in rows}


def test_a_commit_whose_answer_was_lost_is_found_by_the_next_try(desk: Desk) -> None:
    def lose_the_answer(connection: sa.Connection) -> None:
        connection.exec_driver_sql("COMMIT")
        raise sa.exc.OperationalError("COMMIT", None, psycopg.OperationalError("the server closed the connection"))

    key = str(uuid.uuid4())
    sa.event.listen(desk.database.engine, "commit", lose_the_answer)
    with pytest.raises(Unavailable):
        desk.work(1, key)()
    sa.event.remove(desk.database.engine, "commit", lose_the_answer)
    accepted = desk.work(1, key)()
    (version,) = desk.rows(version_table, 1)
    assert (accepted.receipt, accepted.version) == (version.receipt, 1)
    assert desk.objects_of(1) == {version.object_key}
    assert desk.said(1) == [("SubmissionReceived", "1")]
