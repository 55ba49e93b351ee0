"""A tutor's lists are read to their end, page by page, and name nobody where marking is anonymous."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from services.marking.allocation.store import ruling_table, script_table
from services.marking.later_versions import views as later_versions
from services.marking.later_versions.store import question_table
from services.marking.later_versions.views import QuestionViews
from services.marking.scripts.domain import Turnaround
from services.marking.scripts.views import PAGE, ScriptViews
from services.marking.tables import metadata
from services.marking.tutors.store import assignment_table, person_table
from tests.support.databases import ManualClock, make_database

NAMES = ("K1", "K1-2", "K1/2", "k1", "K10", "Ä")


def test_every_script_is_on_one_page(tmp_path: Path) -> None:
    clock = ManualClock()
    database = make_database(metadata, tmp_path, "marking", clock)
    works = [f"w{number:04}" for number in range(3 * PAGE)]
    rows = [
        {
            "work_id": work,
            "assignment_id": NAMES[number % len(NAMES)],
            "presentation_id": "26J",
            "person_ref": f"p{number}",
            "state": "allocated",
            "taken_submission_id": f"s{number}",
            "taken_version": 1,
            "tutor_ref": "tutor-1",
            "state_since": clock.now(),
        }
        for number, work in enumerate(works)
    ]
    with database.transaction() as tx:
        tx.connection.execute(sa.insert(script_table), rows)
    seen: list[str] = []
    after = ""
    with database.reading() as connection:
        while page := ScriptViews(only_clean=False, turnaround=Turnaround(10)).of_tutor(
            connection, "tutor-1", after=after
        ):
            seen += [line.work_id for line in page]
            after = f"{page[-1].assignment_id}/{page[-1].work_id}"
    assert sorted(seen) == works


def test_every_open_question_is_on_one_page_and_names_no_student_where_marking_is_anonymous(tmp_path: Path) -> None:
    clock = ManualClock()
    database = make_database(metadata, tmp_path, "marking", clock)
    number_of_questions = 2 * later_versions.PAGE + 1
    with database.transaction() as tx:
        for table, row in ((script_table, a_script), (ruling_table, a_ruling), (question_table, a_question)):
            tx.connection.execute(sa.insert(table), [row(number, clock.now()) for number in range(number_of_questions)])
        tx.connection.execute(sa.insert(assignment_table), [an_assignment(name, clock.now()) for name in ("A", "B")])
        people = [{"person_ref": f"p{number}", "revision": 1, "name": f"Name {number}"} for number in range(3)]
        tx.connection.execute(sa.insert(person_table), people)
    seen = []
    after = 0
    with database.reading() as connection:
        while page := QuestionViews().open_of(connection, "tutor-1", after=after):
            seen += page
            after = page[-1].position
        assert QuestionViews().count(connection, "tutor-1") == number_of_questions
        assert QuestionViews().count(connection, "tutor-2") == 0
    assert [line.submission_id for line in seen] == [f"s{number}" for number in range(number_of_questions)]
    assert [line.student for line in seen[:3]] == ["Name 0", None, None]


def test_the_assignments_of_a_tutor_are_counted_and_their_last_days_said(tmp_path: Path) -> None:
    clock = ManualClock()
    database = make_database(metadata, tmp_path, "marking", clock)
    cut_off_at = datetime(2026, 12, 18, 12, tzinfo=UTC)
    of_a, waiting = {"assignment_id": "A"}, {"state": "allocated", "collected_at": None}
    scripts = [a_script(0, cut_off_at) | waiting, a_script(1, cut_off_at) | of_a | waiting]
    scripts += [a_script(2, cut_off_at) | of_a, a_script(3, cut_off_at) | {"assignment_id": "Z"}]
    arrivals = [cut_off_at + timedelta(days=days) for days in (-5, 3, 6)]
    rulings = [a_ruling(number, day) | {"submission_id": f"t{number}"} for number, day in enumerate(arrivals)]
    with database.transaction() as tx:
        tx.connection.execute(sa.insert(script_table), scripts)
        tx.connection.execute(sa.insert(ruling_table), rulings)
        tx.connection.execute(sa.insert(assignment_table), an_assignment("A", cut_off_at))
    views = ScriptViews(only_clean=False, turnaround=Turnaround(10))
    with database.reading() as connection:
        lines = {line.assignment_id: line for line in views.by_assignment(connection, "tutor-1")}
        scripts_due = [line.due_back for line in views.of_tutor(connection, "tutor-1")]
    known, unknown = lines["A"], lines["Z"]
    assert (known.to_collect, known.collected, known.due_back) == (2, 1, date(2027, 1, 6))
    assert (unknown.collected, unknown.cut_off_at, unknown.due_back) == (1, None, None)
    assert scripts_due == [date(2027, 1, 6), date(2027, 1, 7), date(2027, 1, 12), None]


def a_script(number: int, now: datetime) -> dict[str, object]:
    """Of an assignment that is known (A), anonymous (B) or not known yet (C)."""
    return {
        "work_id": f"w{number}",
        "assignment_id": "ABC"[number % 3],
        "presentation_id": "26J",
        "person_ref": f"p{number}",
        "state": "collected",
        "taken_submission_id": f"t{number}",
        "taken_version": 1,
        "tutor_ref": "tutor-1",
        "state_since": now,
        "collected_at": now,
    }


def a_ruling(number: int, now: datetime) -> dict[str, object]:
    return {
        "submission_id": f"s{number}",
        "work_id": f"w{number}",
        "version": 2,
        "ruling": "not_taken",
        "reason": "collected",
        "band": "late",
        "object_key": "o",
        "object_version": "1",
        "media_type": "application/pdf",
        "size_bytes": 1,
        "sha256": "0",
        "arrived_at": now,
        "ruled_at": now,
    }


def a_question(number: int, now: datetime) -> dict[str, object]:
    return {
        "submission_id": f"s{number}",
        "work_id": f"w{number}",
        "version": 2,
        "state": "open",
        "opened_at": now,
        "earlier_submission_id": f"t{number}",
        "earlier_version": 1,
        "earlier_collected_at": now,
    }


def an_assignment(name: str, now: datetime) -> dict[str, object]:
    """B is anonymous."""
    whose = {"assignment_id": name, "revision": 1, "module_code": "K1", "title": name}
    return whose | {"cut_off_at": now, "anonymous": name == "B"}
