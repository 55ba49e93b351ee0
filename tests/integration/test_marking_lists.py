"""A tutor's list of scripts is read to its end, page by page."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from services.marking.allocation.store import script_table
from services.marking.scripts.views import PAGE, ScriptViews
from services.marking.tables import metadata
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
        while page := ScriptViews().of_tutor(connection, "tutor-1", after=after):
            seen += [line.work_id for line in page]
            after = f"{page[-1].assignment_id}/{page[-1].work_id}"
    assert sorted(seen) == works
