"""Whether the line has come to rest is asked at a cost that does not grow with what has been done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.database import Database
from shared.timers import Timers
from tests.support.university import Town, running_town

COUNTING = ("count(", "SCAN outbox", "SCAN timer", "SCAN delivery")
OF_WHAT_WAITS = "SCAN outbox USING INDEX outbox_unpublished"
"""No whole table: in this index stands only what is not published."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path) as town:
        town.hand_in()
        town.settle()
        yield town


def leave_a_fact(database: Database) -> None:
    _change(database, "UPDATE outbox SET published_at = NULL WHERE position = 1")


def leave_a_message(database: Database) -> None:
    _change(database, "UPDATE delivery SET state = 'queued', next_try_at = '9999-01-01T00:00:00.000000+00:00'")


def leave_a_timer(database: Database) -> None:
    with database.transaction() as tx:
        Timers().set(tx, kind="of nobody", key="k", due_at=tx.now - timedelta(days=1))


def leave_a_fact_unread(database: Database) -> None:
    _change(database, "UPDATE progress SET next_offset = 0")


def _change(database: Database, statement: str) -> None:
    with database.transaction() as tx:
        tx.connection.exec_driver_sql(statement)


@pytest.mark.parametrize("leave", [leave_a_fact, leave_a_message, leave_a_timer, leave_a_fact_unread])
def test_what_is_still_in_flight_is_not_settled(town: Town, leave: Callable[[Database], None]) -> None:
    for thread in town.system.threads:
        thread.stop()
        assert thread.join(10)
    assert town.system.is_settled()
    leave(town.system.notifier.service.database)
    assert not town.system.is_settled()


@pytest.mark.sqlite
def test_the_question_counts_nothing_and_reads_no_whole_table(town: Town) -> None:
    asked: list[tuple[sa.Engine, str]] = []
    for service in town.system.services:
        sa.event.listen(
            service.database.engine,
            "before_cursor_execute",
            lambda c, _cu, text, *_rest: asked.append((c.engine, text)),
        )
    assert town.system.is_settled()
    looks = [(engine, text) for engine, text in asked if text.startswith("SELECT")]
    assert len(looks) > len(town.system.services)
    for engine, text in looks:
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("x",) * text.count("?")).all()
        told = f"{text} {plan}".replace(OF_WHAT_WAITS, "")
        assert not [word for word in COUNTING if word in told], (text, plan)
