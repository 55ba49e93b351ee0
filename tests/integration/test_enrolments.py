"""A CSV file of enrolments, taken in by the real system: what changes, what is announced, what a kill leaves."""

from __future__ import annotations

import io
import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.embedded import Embedded
from services.intake.catalogue import person_refs, take_in
from services.intake.enrolments import STEP, EnrolmentCounts, EnrolmentIntake
from services.submission.catalogue.changes import Counts
from services.submission.catalogue.enrolments_csv import EnrolmentMistakes
from services.submission.catalogue.store import enrolment_table, group_table
from services.submission.catalogue.university import GroupEntry
from shared.database import Database
from shared.messaging.tables import outbox
from shared.settings import Settings
from tests.support.oulad import etma
from tests.support.university import (
    ANN,
    BEN,
    CY,
    OTHER_TUTOR,
    PDF,
    TUTOR,
    Town,
    running_town,
    small_university,
)

HEADER = "module,presentation,personal_id,name,email,status,group,tutor\n"
DEE = "P1000004"
NEW = f"K827,26J,{DEE},Dee,dee@example.org,active,G03,{TUTOR}\n"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Embedded]:
    system = Embedded(Settings(data_dir=tmp_path / "var"))
    take_in(system, small_university())
    yield system
    system.platform.close()


def enrol(system: Embedded, rows: str, *, dry_run: bool = False, step: int = STEP) -> EnrolmentCounts:
    intake = EnrolmentIntake(system, dry_run=dry_run, on_progress=lambda _part, _more: None, step=step)
    return intake.run(io.BytesIO((HEADER + rows).encode()))


def row(student: str, *, status: str = "", group: str = "", tutor: str = "", name: str = "", email: str = "") -> str:
    return f"K827,26J,{student},{name},{email},{status},{group},{tutor}\n"


def members(system: Embedded) -> dict[str, list[str]]:
    """The students of each group, by personal id."""
    students = {ref: student for student, ref in person_refs(system, {ANN, BEN, CY}).items()}
    with system.submission.database.reading() as connection:
        rows = connection.execute(sa.select(group_table.c.group_id, group_table.c.member_refs)).all()
    return {group_id[-3:]: sorted(students.get(ref, "new") for ref in refs) for group_id, refs in rows}


def tutors(system: Embedded) -> dict[str, str | None]:
    staff: dict[str | None, str] = {ref: number for number, ref in person_refs(system, {TUTOR, OTHER_TUTOR}).items()}
    with system.submission.database.reading() as connection:
        rows = connection.execute(sa.select(group_table.c.group_id, group_table.c.tutor_ref)).all()
    return {group_id[-3:]: staff.get(ref) for group_id, ref in rows}


def status_of(system: Embedded, student: str) -> str | None:
    ref = person_refs(system, {student})[student]
    with system.submission.database.reading() as connection:
        query = sa.select(enrolment_table.c.status).where(enrolment_table.c.person_ref == ref)
        return connection.execute(query).scalar()


def announced(database: Database) -> list[dict[str, Any]]:
    """Every fact in the outbox, in order."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(outbox.c.type, outbox.c.value).order_by(outbox.c.position)).all()
    return [{"type": type_.split(".")[-2], **json.loads(value)} for type_, value in rows]


def all_announced(system: Embedded) -> list[dict[str, Any]]:
    return [*announced(system.identity.database), *announced(system.submission.database)]


def refused(system: Embedded, rows: str) -> list[tuple[int, str]]:
    with pytest.raises(EnrolmentMistakes) as mistaken:
        enrol(system, rows)
    return [(mistake.line, mistake.field) for mistake in mistaken.value.mistakes]


def test_new_students_are_enrolled_and_stand_in_their_group(system: Embedded) -> None:
    counts = enrol(system, NEW)
    one = Counts(new=1)
    assert counts == EnrolmentCounts(
        rows=1, persons=one, tutors=Counts(unchanged=1), enrolments=one, groups=one, moves=0
    )
    assert members(system) == {"G01": [ANN], "G02": [BEN], "G03": ["new"]}
    assert (tutors(system)["G03"], status_of(system, DEE)) == (TUTOR, "active")
    assert system.identity.sessions.sign_in(role="student", identifier=DEE)


def test_the_same_file_twice_changes_and_announces_nothing(system: Embedded) -> None:
    rows = NEW + row(ANN, group="G03", name="Ann Other") + row(BEN, status="withdrawn")
    enrol(system, rows)
    before = all_announced(system)
    again = enrol(system, rows)
    assert (again.persons, again.tutors) == (Counts(unchanged=3), Counts(unchanged=1))
    assert (again.enrolments, again.groups, again.moves) == (Counts(unchanged=3), Counts(unchanged=1), 0)
    assert all_announced(system) == before


def test_empty_values_leave_everything_as_it_is(system: Embedded) -> None:
    before = all_announced(system)
    counts = enrol(system, row(ANN) + row(BEN, group="G02") + row(CY))
    assert (counts.persons, counts.enrolments) == (Counts(unchanged=3), Counts(unchanged=3))
    assert all_announced(system) == before


def test_a_name_may_change_without_an_address(system: Embedded) -> None:
    assert enrol(system, row(ANN, name="Ann Other")).persons == Counts(changed=1)
    told = announced(system.identity.database)[-1]
    assert (told["name"], told["email"], told["revision"]) == ("Ann Other", "ann@example.org", 2)


def test_a_student_who_moves_is_announced_as_gone_and_then_as_a_member(system: Embedded) -> None:
    known = len(announced(system.submission.database))
    counts = enrol(system, row(ANN, group="G02"))
    assert (counts.groups, counts.moves) == (Counts(changed=2), 1)
    assert members(system) == {"G01": [], "G02": [ANN, BEN]}
    gone, come = announced(system.submission.database)[known:]
    assert [fact["group_id"][-3:] for fact in (gone, come)] == ["G01", "G02"]
    assert gone["revision"] < come["revision"]


def test_two_students_change_places_in_different_steps(system: Embedded) -> None:
    counts = enrol(system, row(ANN, group="G02") + row(BEN, group="G01"), step=1)
    assert (counts.groups, counts.moves) == (Counts(changed=2), 2)
    assert members(system) == {"G01": [BEN], "G02": [ANN]}
    assert tutors(system) == {"G01": TUTOR, "G02": OTHER_TUTOR}


def test_a_group_gets_another_tutor_and_keeps_its_students(system: Embedded) -> None:
    counts = enrol(system, row(CY, group="G01", tutor=OTHER_TUTOR))
    assert counts.groups == Counts(changed=1)
    assert (tutors(system)["G01"], members(system)["G01"]) == (OTHER_TUTOR, [ANN, CY])


def test_a_group_without_a_tutor_waits_for_one(system: Embedded) -> None:
    enrol(system, row(CY, group="G07"))
    assert (tutors(system)["G07"], members(system)["G07"]) == (None, [CY])


def test_a_withdrawn_student_keeps_the_group_until_a_row_names_another(system: Embedded) -> None:
    counts = enrol(system, row(ANN, status="withdrawn"))
    assert (counts.enrolments, counts.groups) == (Counts(changed=1), Counts())
    assert (status_of(system, ANN), members(system)["G01"]) == ("withdrawn", [ANN])
    enrol(system, row(ANN, status="withdrawn", group="G02"))
    assert members(system) == {"G01": [], "G02": [ANN, BEN]}
    enrol(system, row(ANN))
    assert status_of(system, ANN) == "active"


def test_every_mistake_is_found_and_nothing_is_changed(system: Embedded) -> None:
    before = all_announced(system)
    rows = (
        NEW
        + row(ANN, group="G01", tutor="00000077")
        + "K827,26B," + ANN + ",,,,,\n"
        + "K827,26B," + BEN + ",,,,,\n"
        + row("P1000005", name="Eve")
        + row(BEN, status="gone")
        + row(CY, group="G03", tutor=OTHER_TUTOR)
        + row(DEE)
    )  # fmt: skip
    assert refused(system, rows) == [
        (3, "tutor"),
        (4, "presentation"),
        (6, "email"),
        (7, "status"),
        (8, "tutor"),
        (9, "personal_id"),
    ]
    assert all_announced(system) == before
    assert members(system) == {"G01": [ANN], "G02": [BEN]}


def test_a_cause_that_many_lines_share_is_told_once_with_their_number(system: Embedded) -> None:
    with pytest.raises(EnrolmentMistakes) as mistaken:
        enrol(system, "".join(f"K999,26J,{student},,,,,\n" for student in (ANN, BEN, CY)))
    (mistake,) = mistaken.value.mistakes
    assert str(mistake) == "line 2, presentation: the catalogue has no assignment of K999-26J (3 lines)"


def test_one_line_that_names_a_new_student_is_enough(system: Embedded) -> None:
    take_in(system, small_university_of("K828"))
    counts = enrol(system, f"K828,26J,{DEE},,,,,\n" + NEW, step=1)
    assert (counts.persons, counts.enrolments) == (Counts(new=1), Counts(new=2))


def small_university_of(code: str) -> Any:
    university = small_university(groups=[])
    module = university.modules[0].model_copy(update={"code": code})
    return university.model_copy(update={"modules": (module,)})


@pytest.mark.parametrize("step", [1, 2, STEP])
def test_a_dry_run_counts_what_the_run_then_does(system: Embedded, step: int) -> None:
    rows = (
        NEW
        + row(ANN, group="G02", name="Ann Other")
        + row(BEN, group="G09", tutor=OTHER_TUTOR)
        + row(CY, status="withdrawn")
        + row("P1000005", name="Eve", email="eve@example.org", group="G01")
    )
    before = all_announced(system)
    said = enrol(system, rows, dry_run=True, step=step)
    assert all_announced(system) == before
    assert enrol(system, rows, step=step) == said
    assert (said.persons, said.tutors) == (Counts(new=2, changed=1, unchanged=2), Counts(unchanged=2))
    assert (said.enrolments, said.groups) == (Counts(new=2, changed=1, unchanged=2), Counts(new=2, changed=2))
    assert said.moves == 2


class Stopped(Exception):
    """The import ends here, after a step that is committed."""


@pytest.mark.parametrize("stops", range(1, 6))
def test_an_import_that_stops_between_steps_is_finished_by_the_same_file(system: Embedded, stops: int) -> None:
    left = stops
    rows = NEW + row(ANN, group="G02") + row(BEN, group="G03") + row(CY, status="withdrawn")

    def stop(part: str, _more: int) -> None:
        nonlocal left
        left -= part != "read"
        if not left:
            raise Stopped

    intake = EnrolmentIntake(system, dry_run=False, on_progress=stop, step=1)
    with pytest.raises(Stopped):
        intake.run(io.BytesIO((HEADER + rows).encode()))
    enrol(system, rows, step=1)
    assert members(system) == {"G01": [], "G02": [ANN], "G03": [BEN, "new"]}
    assert status_of(system, CY) == "withdrawn"
    facts = announced(system.submission.database)
    assert len(facts) == len({(fact["type"], fact["revision"]) for fact in facts})
    groups = Counter(fact["group_id"][-3:] for fact in facts if fact["type"] == "TutorGroupRecorded")
    assert groups == {"G01": 2, "G02": 3, "G03": 1}


def test_what_another_import_changes_between_two_steps_is_kept(system: Embedded) -> None:
    rows = row(CY, group="G01") + row(DEE, name="Dee", email="dee@example.org", group="G02")
    parts: list[str] = []

    def meanwhile(part: str, _more: int) -> None:
        parts.append(part)
        if parts.count("enrolments") == 1:
            take_in(system, small_university(groups=[GroupEntry(number="G08", students=(BEN,))]))

    intake = EnrolmentIntake(system, dry_run=False, on_progress=meanwhile, step=1)
    intake.run(io.BytesIO((HEADER + rows).encode()))
    assert members(system) == {"G01": [ANN, CY], "G02": ["new"], "G08": [BEN]}


def test_the_number_of_statements_grows_with_steps_and_not_with_rows_or_groups(system: Embedded) -> None:
    statements: list[str] = []
    for database in (system.identity.database, system.submission.database):
        sa.event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    def needed(first: int, count: int, step: int) -> Counter[str]:
        statements.clear()
        rows = "".join(
            row(f"P{first + n}", name="N", email="n@n", group=f"G{(first + n) // 4}", tutor=TUTOR) for n in range(count)
        )
        enrol(system, rows, step=step)
        return Counter(" ".join(words.split())[:60] for words in statements)

    few, many, cut = needed(2000000, 100, 400), needed(3000000, 400, 400), needed(4000000, 400, 100)
    assert few == many
    groups_read = [name for name in cut if "FROM tutor_group" in name or "SELECT tutor_group" in name]
    assert [cut[name] for name in groups_read] == [1]


def test_a_held_script_is_released_when_the_file_brings_the_group(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        town.hand_in(CY)
        town.settle()
        assert script_of(town)["waits_for"] == "group"
        enrol(town.system, row(CY, group="G02"))
        town.settle()
        assert script_of(town)["state"] == "allocated"
        assert len(town.get("/api/v1/scripts", "tutor", OTHER_TUTOR).json()["scripts"]) == 1
        assert town.audit().violations == []


def test_a_withdrawn_students_work_stays_with_the_tutor_and_no_more_is_taken(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        town.hand_in(ANN)
        town.settle()
        enrol(town.system, row(ANN, status="withdrawn"))
        town.settle()
        assert (script_of(town)["state"], script_of(town)["waits_for"]) == ("allocated", None)
        assert len(town.get("/api/v1/scripts", "tutor", TUTOR).json()["scripts"]) == 1
        assert town.hand_in(ANN, content=PDF + b"more").status_code == 404
        assert town.audit().violations == []


def script_of(town: Town) -> dict[str, object]:
    (script,) = town.rows("marking", "scripts")
    return script


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a small university in it, in which nothing runs."""
    system = Embedded(Settings(data_dir=tmp_path / "var"))
    take_in(system, small_university())
    system.platform.close()
    return tmp_path / "var"


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_says_what_it_would_do_and_then_does_it(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "enrolments.csv"
    file.write_text(HEADER + NEW + row(ANN, group="G02"), encoding="utf-8")
    before = bytes_of(place)
    dry = etma("import", "enrolments", str(file), "--dry-run", "--json", data_dir=place, environment={})
    assert dry.returncode == 0, dry.stderr
    assert bytes_of(place) == before
    done = etma("import", "enrolments", str(file), "--json", data_dir=place, environment={})
    said, did = json.loads(dry.stdout), json.loads(done.stdout)
    assert (said.pop("dry_run"), did.pop("dry_run")) == (True, False)
    assert said == did
    assert did["persons"] == {"new": 1, "changed": 0, "unchanged": 1}
    shown = etma("import", "enrolments", str(file), data_dir=place, environment={})
    assert "2 rows; 0 students move from one group to another." in shown.stdout


def test_the_command_tells_mistakes_and_changes_nothing(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "enrolments.csv"
    file.write_text(HEADER + NEW + row("P99"), encoding="utf-8")
    before = bytes_of(place)
    told = etma("import", "enrolments", str(file), data_dir=place, environment={})
    assert (told.returncode, told.stdout) == (2, "")
    assert "nothing was changed" in told.stderr
    assert "line 3, personal_id: must be a capital letter and seven digits" in told.stderr
    as_json = etma("import", "enrolments", str(file), "--json", data_dir=place, environment={})
    answer = json.loads(as_json.stdout)
    assert (as_json.returncode, answer["total"]) == (2, 1)
    assert (answer["mistakes"][0]["line"], answer["mistakes"][0]["column"]) == (3, "personal_id")
    assert bytes_of(place) == before


@pytest.mark.parametrize(
    ("point", "left"),
    [("identity.before_commit:1", STEP + 1), ("submission.committed:2", 1), ("submission.before_commit:3", 1)],
)
def test_a_killed_command_is_finished_by_the_same_command(place: Path, tmp_path: Path, point: str, left: int) -> None:
    rows = STEP + 1
    file = tmp_path / "enrolments.csv"
    lines = (row(f"P{2000000 + n}", name=f"N{n}", email="n@example.org") for n in range(rows))
    file.write_text(HEADER + "".join(lines), encoding="utf-8")
    command = ("import", "enrolments", str(file), "--json")
    killed = etma(*command, data_dir=place, environment={"ETMA_KILL_POINT": point})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = json.loads(etma(*command, data_dir=place, environment={}).stdout)
    assert done["enrolments"]["new"] == left
    system = Embedded(Settings(data_dir=place))
    enrolled = [fact for fact in announced(system.submission.database) if fact["type"] == "EnrolmentRecorded"]
    persons = announced(system.identity.database)
    system.platform.close()
    assert len({fact["enrolment_id"] for fact in enrolled}) == len(enrolled) == rows + 3
    assert len({fact["person_ref"] for fact in persons}) == len(persons) == rows + 6
