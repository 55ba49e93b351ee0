"""Two processes of marking rule, place and collect at once, in every interleaving of their statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.marking.allocation.handlers import Allocation
from services.marking.allocation.store import ScriptStore, ruling_table, script_table
from services.marking.later_versions.domain import Choice, QuestionAnswered, QuestionSuperseded
from services.marking.later_versions.handlers import Answering, Asking
from services.marking.later_versions.store import QuestionStore, question_table
from services.marking.malware.domain import MalwareFound
from services.marking.malware.handlers import Findings
from services.marking.scripts.domain import Turnaround
from services.marking.scripts.handlers import Collecting
from services.marking.scripts.views import ScriptViews
from services.marking.tables import metadata
from services.marking.tutors.handlers import Directory
from services.marking.tutors.store import TutorStore, person_table
from shared.contracts import Fact, PersonRecorded, ScanOutcome, SubmissionScanned
from shared.database import Database
from shared.messaging.tables import outbox
from shared.storage.file_store import FileStore
from tests.integration.operations_house import received
from tests.integration.test_marking_interleavings import envelope, group
from tests.support.databases import ManualClock, make_server_database
from tests.support.interleaving import Work, interleaved

pytestmark = pytest.mark.cluster


class Office:
    """The handlers on a real server; each call is a transaction of its own, as a worker's batch is."""

    def __init__(self, folder: Path) -> None:
        self.database: Database = make_server_database(metadata, "marking", ManualClock())
        self.table = {
            **Allocation(ScriptStore(), TutorStore(), Asking(QuestionStore())).table(),
            **Directory().table(),
            **Findings(ScriptStore(), QuestionStore()).table(),
        }
        self.objects = FileStore(folder)
        self.collecting = self._collecting(only_clean=False)
        self.careful = self._collecting(only_clean=True)
        self.answering = Answering(database=self.database, questions=QuestionStore(), scripts=ScriptStore())

    def _collecting(self, *, only_clean: bool) -> Collecting:
        views = ScriptViews(only_clean=only_clean, turnaround=Turnaround(10))
        return Collecting(
            database=self.database, objects=self.objects, store=ScriptStore(), views=views, only_clean=only_clean
        )

    def hearing(self, *facts: Fact) -> Work:
        def hear() -> None:
            with self.database.transaction() as tx:
                tx.receive({id(fact): envelope(fact) for fact in facts})
                self.table[type(facts[0])](facts, tx)

        return hear

    def version(self, number: int, version: int) -> Fact:
        """A version of the student's work whose bytes are there."""
        fact = received(f"w{number}", version=version)
        with self.objects.writer(fact.object_key) as writer:
            writer.write(b"%PDF-")
            stored = writer.finish()
        return fact.model_copy(update={"object_version": stored.version})

    def collect(self, number: int, tutor: str = "tutor-1") -> Work:
        return lambda: self.collecting.collect(f"w{number}", tutor)

    def collect_carefully(self, number: int) -> Work:
        """Where only clean work is collected."""
        return lambda: self.careful.collect(f"w{number}", "tutor-1")

    def answer(self, number: int, choice: Choice, *, version: int = 2) -> Work:
        """The answer to the question about a version; what the rule raises is what it ends with."""
        return lambda: self.answering.answer(f"s-w{number}-{version}", choice, "tutor-1")

    def ask(self, number: int) -> None:
        """Version 1 is collected, version 2 came after, and its tutor is asked."""
        self.hearing(group_of(number))()
        self.hearing(self.version(number, 1))()
        self.collect(number)()
        self.hearing(self.version(number, 2))()

    def questions(self, number: int) -> list[tuple[int, str]]:
        asked = sa.select(question_table.c.version, question_table.c.state)
        of_work = asked.where(question_table.c.work_id == f"w{number}").order_by(question_table.c.version)
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(of_work)]

    def script(self, number: int) -> Any:
        with self.database.reading() as connection:
            return connection.execute(sa.select(script_table).where(script_table.c.work_id == f"w{number}")).one()

    def rulings(self, number: int) -> list[tuple[int, str]]:
        ruled = sa.select(ruling_table.c.version, ruling_table.c.ruling).where(ruling_table.c.work_id == f"w{number}")
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(ruled.order_by(ruling_table.c.version))]

    def said(self, number: int) -> list[str]:
        names = sa.select(outbox.c.type).where(outbox.c.key == f"w{number}").order_by(outbox.c.position)
        with self.database.reading() as connection:
            return [name.split(".")[-2] for name in connection.scalars(names)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.database.close()


def group_of(number: int, tutor: str = "tutor-1", *, revision: int = 1, name: int = 0) -> Fact:
    return group(1000 * name + number, revision, tutor, f"p-w{number}")


def scanned(number: int, outcome: ScanOutcome, before: ScanOutcome | None = None) -> Fact:
    """The result of looking through the first version for malware."""
    return SubmissionScanned(
        work_id=f"w{number}",
        submission_id=f"s-w{number}-1",
        version=1,
        assignment_id="K827-26J-TMA01",
        presentation_id="K827-26J",
        person_ref=f"p-w{number}",
        outcome=outcome,
        outcome_before=before,
        signatures="signatures",
        scanned_at=ManualClock().now(),
    )


Scene = Callable[[int], tuple[Work, Work]]


def swapped(scene: Scene, *, swap: bool) -> Scene:
    """The scene, or the one in which the other work is interrupted."""
    return (lambda number: scene(number)[::-1]) if swap else scene


EITHER = pytest.mark.parametrize("swap", [False, True])


def untroubled(ends: Sequence[Any]) -> bool:
    return not any(isinstance(each, BaseException) for each in ends)


def test_a_version_is_ruled_on_once(office: Office) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.hearing(group_of(number))()
        fact = received(f"w{number}")
        return office.hearing(fact), office.hearing(fact)

    for number, ends in interleaved(office.database, scene):
        failed = [each for each in (ends.first, ends.second) if each is not None]
        assert [type(each) for each in failed] == [sa.exc.IntegrityError], ends
        assert office.rulings(number) == [(1, "taken")]
        assert office.said(number) == ["VersionTaken", "ScriptAllocated"]


@EITHER
def test_a_version_and_the_group_that_places_it(office: Office, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        return office.hearing(received(f"w{number}")), office.hearing(group_of(number))

    for number, ends in interleaved(office.database, swapped(scene, swap=swap)):
        assert untroubled((ends.first, ends.second)), ends
        assert (office.script(number).state, office.script(number).tutor_ref) == ("allocated", "tutor-1")


@EITHER
def test_a_student_who_moves_while_a_version_comes(office: Office, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.hearing(group_of(number))()
        office.hearing(group(number, 2, "tutor-1"))()
        moved = office.hearing(group_of(number, "tutor-2", revision=3, name=1))
        return office.hearing(received(f"w{number}")), moved

    for number, ends in interleaved(office.database, swapped(scene, swap=swap)):
        assert untroubled((ends.first, ends.second)), ends
        assert office.script(number).tutor_ref == "tutor-2"


@EITHER
def test_a_newer_version_comes_while_the_tutor_collects(office: Office, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.hearing(group_of(number))()
        office.hearing(office.version(number, 1))()
        return office.collect(number), office.hearing(office.version(number, 2))

    for number, ends in interleaved(office.database, swapped(scene, swap=swap)):
        assert untroubled((ends.first, ends.second)), ends
        content = ends.second if swap else ends.first
        taken = office.script(number).taken_version
        assert content.file_name.endswith(f"-v{taken}.pdf")
        assert office.rulings(number) == [(1, "taken"), (2, "taken" if taken == 2 else "not_taken")]


def test_a_script_is_collected_once(office: Office) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.hearing(group_of(number))()
        office.hearing(office.version(number, 1))()
        return office.collect(number), office.collect(number)

    for number, ends in interleaved(office.database, scene):
        assert ends.first == ends.second
        assert office.said(number).count("ScriptCollected") == 1


@EITHER
def test_a_still_later_version_comes_while_the_tutor_takes_the_one_before(office: Office, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.ask(number)
        return office.answer(number, Choice.TAKE), office.hearing(office.version(number, 3))

    for number, ends in interleaved(office.database, swapped(scene, swap=swap)):
        answered, heard = (ends.second, ends.first) if swap else (ends.first, ends.second)
        assert heard is None
        if answered is None:
            assert (office.questions(number), office.script(number).taken_version) == ([(2, "taken")], 3)
            assert office.rulings(number) == [(1, "taken"), (2, "not_taken"), (3, "taken")]
        else:
            assert isinstance(answered, QuestionSuperseded)
            assert office.questions(number) == [(2, "superseded"), (3, "open")]
            assert (office.script(number).taken_version, office.script(number).state) == (1, "collected")


@EITHER
def test_malware_is_found_while_the_tutor_collects(office: Office, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.hearing(group_of(number))()
        office.hearing(office.version(number, 1))()
        office.hearing(scanned(number, ScanOutcome.CLEAN))()
        found = office.hearing(scanned(number, ScanOutcome.BLOCKED, ScanOutcome.CLEAN))
        return office.collect_carefully(number), found

    for number, ends in interleaved(office.database, swapped(scene, swap=swap)):
        collected, heard = (ends.second, ends.first) if swap else (ends.first, ends.second)
        assert heard is None
        news = office.said(number)[2:]
        if isinstance(collected, MalwareFound):
            assert (news, office.script(number).state) == ([], "allocated")
        else:
            assert untroubled([collected])
            assert news == ["ScriptCollected", "CollectedVersionScanned"]


@EITHER
def test_a_tutor_answers_otherwise_in_two_windows(office: Office, *, swap: bool) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.ask(number)
        return office.answer(number, Choice.TAKE), office.answer(number, Choice.KEEP)

    for number, ends in interleaved(office.database, swapped(scene, swap=swap)):
        failed = [each for each in (ends.first, ends.second) if each is not None]
        assert [type(each) for each in failed] == [QuestionAnswered]
        said = [name for name in office.said(number) if name.startswith("LaterVersion")]
        (_, state), taken = office.questions(number)[0], office.script(number).taken_version
        assert (said, taken) == ((["LaterVersionTaken"], 2) if state == "taken" else (["LaterVersionDeclined"], 1))


def test_the_same_answer_from_two_windows_is_said_once(office: Office) -> None:
    def scene(number: int) -> tuple[Work, Work]:
        office.ask(number)
        return office.answer(number, Choice.TAKE), office.answer(number, Choice.TAKE)

    for number, ends in interleaved(office.database, scene):
        assert (ends.first, ends.second) == (None, None)
        assert office.said(number).count("LaterVersionTaken") == 1


def test_several_versions_after_collection_in_one_run_leave_one_question(office: Office) -> None:
    office.ask(1)
    office.hearing(office.version(1, 3), office.version(1, 4))()
    assert office.questions(1) == [(2, "superseded"), (3, "superseded"), (4, "open")]


@EITHER
def test_an_older_state_of_a_person_does_not_come_back(office: Office, *, swap: bool) -> None:
    def named(number: int, revision: int) -> Work:
        return office.hearing(
            PersonRecorded(
                person_ref=f"p{number}",
                revision=revision,
                name=f"Name {revision}",
                email=None,
                personal_id=None,
                staff_number=None,
            )
        )

    scene = swapped(lambda number: (named(number, 1), named(number, 2)), swap=swap)
    for number, ends in interleaved(office.database, scene):
        assert (ends.first, ends.second) == (None, None)
        with office.database.reading() as connection:
            name = sa.select(person_table.c.name).where(person_table.c.person_ref == f"p{number}")
            assert connection.execute(name).scalar_one() == "Name 2"
