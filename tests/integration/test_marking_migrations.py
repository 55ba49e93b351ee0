"""What marking's rows become in a newer version."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from services.marking.later_versions.store import question_table
from services.marking.service import HISTORY
from shared.migrations.alembic_steps import upgrade
from tests.integration.test_marking_lists import a_ruling, a_script
from tests.support import postgresql
from tests.support.databases import ManualClock

NOW = ManualClock().now()


@pytest.mark.parametrize("server", ["sqlite", pytest.param("postgresql", marks=pytest.mark.cluster)])
def test_tutors_are_asked_about_what_came_after_collection_before_there_were_questions(server: str) -> None:
    engine = sa.create_engine(postgresql.new_database() if server == "postgresql" else "sqlite://")
    old = sa.MetaData()
    with engine.begin() as connection:
        upgrade(connection, HISTORY, "0001")
        old.reflect(connection, only=["script", "ruling"])
        script, ruling = old.tables["script"], old.tables["ruling"]
        moments = {"state_since": NOW.isoformat(), "collected_at": NOW.isoformat()}
        connection.execute(sa.insert(script), [a_script(number, NOW) | moments for number in range(3)])
        connection.execute(sa.insert(ruling), [*ruled(0, "taken", "not_taken", "not_taken"), *ruled(1, "taken")])
        upgrade(connection, HISTORY)
        rows = connection.execute(sa.select(question_table).order_by(question_table.c.version)).all()
    engine.dispose()
    assert [(row.work_id, row.submission_id, row.version, row.state) for row in rows] == [
        ("w0", "s0-2", 2, "superseded"),
        ("w0", "s0-3", 3, "open"),
    ]
    assert {(row.earlier_submission_id, row.earlier_version, row.earlier_collected_at) for row in rows} == {
        ("t0", 1, NOW)
    }
    assert [(row.opened_at, row.closed_at) for row in rows] == [(NOW, NOW), (NOW, None)]


def ruled(number: int, *rulings: str) -> list[dict[str, object]]:
    """The rulings on the versions of a work, from the first one on."""
    moments = {"arrived_at": NOW.isoformat(), "ruled_at": NOW.isoformat()}
    return [
        a_ruling(number, NOW)
        | {"submission_id": f"s{number}-{version}", "version": version, "ruling": ruling}
        | {"reason": None if ruling == "taken" else "collected"}
        | moments
        for version, ruling in enumerate(rulings, start=1)
    ]
