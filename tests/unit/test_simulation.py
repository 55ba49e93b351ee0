"""Simulated and real time are kept apart, also when processes of both begin at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.database import Database
from shared.errors import Unavailable
from shared.messaging.tables import key_sequence, time_source
from shared.simulation import OtherTime, claim_time
from shared.stepped_clock import SteppedClock
from tests.support.databases import ManualClock, make_database


class SimulatedClock(ManualClock):
    simulated = True


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return make_database(sa.MetaData(), tmp_path, "marking", ManualClock())


@pytest.fixture
def replayed(database: Database) -> Iterator[Database]:
    """The same database, opened by a replay."""
    url = database.engine.url.render_as_string(hide_password=False)
    replayed = Database(url, source=database.source, clock=SimulatedClock())
    yield replayed
    replayed.close()


def use(database: Database) -> None:
    with database.transaction() as tx:
        tx.connection.execute(sa.insert(key_sequence).values(key="w", sequence=1))


def test_a_start_is_followed_by_others_in_the_same_time(database: Database, replayed: Database) -> None:
    claim_time(database)
    with pytest.raises(OtherTime):
        claim_time(replayed)
    claim_time(database)


def test_a_replay_goes_on_where_it_was_and_lets_nobody_else_in(database: Database, replayed: Database) -> None:
    claim_time(replayed)
    use(replayed)
    claim_time(replayed)
    with pytest.raises(OtherTime):
        claim_time(database)


def test_a_replay_does_not_begin_on_data_that_nobody_claimed(database: Database, replayed: Database) -> None:
    use(database)
    with pytest.raises(OtherTime):
        claim_time(replayed)
    claim_time(database)


def test_who_begins_while_another_one_does_waits_and_goes_by_it(database: Database, replayed: Database) -> None:
    with ThreadPoolExecutor() as pool:
        with database.transaction() as tx:
            tx.connection.execute(sa.insert(time_source).values(only=1, simulated=False))
            same, other = pool.submit(claim_time, database), pool.submit(claim_time, replayed)
            assert wait((same, other), timeout=0.3).done == set()
        same.result()
        with pytest.raises(OtherTime):
            other.result()


def test_before_a_replay_begins_its_processes_wait_for_the_time(tmp_path: Path) -> None:
    clock = SteppedClock(tmp_path / "replay" / "clock")
    with pytest.raises(Unavailable, match="does not hold a moment yet"):
        clock.now()
    clock.move_to(datetime(2013, 10, 7, tzinfo=UTC))
    assert clock.now() == datetime(2013, 10, 7, tzinfo=UTC)
