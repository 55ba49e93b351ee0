"""PostgreSQL dies in the middle of transactions and comes back; connections die between two statements."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.servers.postgresql import PostgresProcess
from services.submission.submissions.store import version_table
from shared.errors import Unavailable
from tests.conformance.test_interleaved_submissions import Desk
from tests.support import postgresql
from tests.support.cluster import LINE, Cluster, new_cluster
from tests.support.outcomes import Outcome, outcome
from tests.support.processes import roles
from tests.support.students import Students

pytestmark = pytest.mark.cluster

WORKS = 200
KILLS = 3
LEAST_STATEMENTS, MOST_STATEMENTS = 6, 100


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresProcess]:
    server = PostgresProcess(tmp_path / PostgresProcess.name)
    server.start()
    monkeypatch.setenv("ETMA_TEST_POSTGRESQL", server.address)
    monkeypatch.setenv("ETMA_TEST_DATABASES", "postgresql")
    yield server
    postgresql.forget(server.address)
    server.kill()


@pytest.fixture
def cluster(tmp_path: Path, server: PostgresProcess) -> Iterator[Cluster]:
    with new_cluster(tmp_path) as cluster:
        yield cluster


def end_at_once(server: PostgresProcess) -> None:
    """The immediate shutdown: nothing is written, the next start recovers."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGQUIT)
    server.stop()


@pytest.mark.parametrize("end", [PostgresProcess.kill, end_at_once])
def test_a_database_server_that_dies_in_mid_transaction_takes_no_receipt_back(
    end: Callable[[PostgresProcess], None],
    cluster: Cluster,
    server: PostgresProcess,
    judge: Callable[[Outcome], None],
) -> None:
    with roles(cluster.environment, *LINE) as running:
        for role in running.values():
            role.wait_until_ready()
        hand_in = partial(cluster.hand_in, running["submission.api"])
        students = Students(hand_in, cluster.folder / "receipts", works=WORKS)
        with students.handing_in():
            for _ in range(KILLS):
                time.sleep(random.uniform(0.5, 1.0))
                end(server)
                time.sleep(random.uniform(0.1, 1.0))
                server.start()
        assert students.unknown > 0
        judge(outcome(f"PostgreSQL: {end.__name__}", hits=KILLS, students=students, line=cluster))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_a_connection_that_dies_before_any_statement_of_an_acceptance_leaves_nothing_behind(desk: Desk) -> None:
    for number in range(1, MOST_STATEMENTS):
        hand_in = desk.work(number, str(number))
        with dying_before(number, desk.database.engine) as died, suppress(Unavailable):
            hand_in()
        assert bool(desk.rows(version_table, number)) == bool(desk.said(number)) == (not died)
        receipt = hand_in().receipt
        assert [version.receipt for version in desk.rows(version_table, number)] == [receipt]
        assert desk.said(number) == [("SubmissionReceived", "1")]
        if not died:
            break
    assert LEAST_STATEMENTS < number < MOST_STATEMENTS - 1


@contextmanager
def dying_before(number: int, engine: sa.Engine) -> Iterator[list[int]]:
    """The server ends the connection before its n-th statement or commit; what is given out has its process id then."""
    died: list[int] = []
    passed = count(1)

    def pass_by(connection: sa.Connection, *_event: object) -> None:
        if next(passed) == number:
            died.append(end_of_connection(connection))

    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(engine, event, pass_by)
    yield died
    for event in ("before_cursor_execute", "commit"):
        sa.event.remove(engine, event, pass_by)


def end_of_connection(connection: sa.Connection) -> int:
    driver = connection.connection.driver_connection
    assert driver is not None
    pid: int = driver.info.backend_pid
    another = sa.create_engine(connection.engine.url, poolclass=sa.NullPool)
    with another.connect() as other:
        assert other.execute(sa.select(sa.func.pg_terminate_backend(pid, 10_000))).scalar()
    return pid
