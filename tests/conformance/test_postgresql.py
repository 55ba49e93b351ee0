"""What PostgreSQL does when it cannot, by its own codes; and how its processes hear of one another."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from shared.clock import SystemClock
from shared.database import Database
from shared.errors import StorageFull, Unavailable
from tests.conformance.test_database import make_tables, put, stored, things
from tests.support import postgresql

pytestmark = pytest.mark.cluster

SECONDS = 30
MINE = "datname = current_database() AND pid <> pg_backend_pid()"
WAITED_FOR = (
    "08006", "25006", "25P03", "28000", "28P01", "3D000", "40001", "40P01", "53200", "53300", "55P03", "57014", "57P01",
    "57P02", "57P03", "58030",
)  # fmt: skip
BUGS = ("22001", "23505", "23514", "42P01", "42501", "0A000")


@pytest.fixture
def url() -> str:
    return postgresql.new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = opened(url)
    make_tables(database)
    yield database
    database.close()


def opened(url: str) -> Database:
    return Database(url, source="house", clock=SystemClock())


def raise_code(database: Database, code: str) -> None:
    with database.transaction() as tx:
        tx.connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'Ann' USING ERRCODE = '{code}'; END $$")


def lock(database: Database, key: str, *, within: str = "lock_timeout = '10s'") -> None:
    with database.transaction() as tx:
        tx.connection.exec_driver_sql(f"SET LOCAL {within}")
        tx.lock(key)


def others(database: Database, condition: str) -> list[int]:
    """Other sessions on the same database of which the condition holds."""
    sessions = sa.select(sa.column("pid", sa.Integer)).select_from(sa.table("pg_stat_activity"))
    with database.reading() as connection:
        return list(connection.scalars(sessions.where(sa.text(f"{MINE} AND {condition}"))))


def wait_for(database: Database, condition: str) -> list[int]:
    deadline = time.monotonic() + SECONDS
    while not (found := others(database, condition)):
        assert time.monotonic() < deadline, condition
        time.sleep(0.01)
    return found


def end(database: Database, pids: list[int]) -> None:
    with database.reading() as connection:
        assert all(connection.execute(sa.select(sa.func.pg_terminate_backend(pid, 10_000))).scalar() for pid in pids)


@pytest.mark.parametrize("code", WAITED_FOR)
def test_what_may_work_later_is_waited_for(database: Database, code: str) -> None:
    with pytest.raises(Unavailable, match=code):
        raise_code(database, code)


def test_a_full_disk_is_told_apart(database: Database) -> None:
    with pytest.raises(StorageFull):
        raise_code(database, "53100")


@pytest.mark.parametrize("code", BUGS)
def test_what_is_wrong_with_the_statement_is_no_outage(database: Database, code: str) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        raise_code(database, code)


def test_an_error_does_not_say_what_stood_in_the_row(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError) as raised:
        put(database, {"name": "Ann", "number": None})
    assert "violates not-null constraint" in str(raised.value)
    assert "Ann" not in f"{raised.value} {raised.value.orig} {raised.value.__cause__}"


def test_a_session_that_the_server_ends_in_a_transaction_is_an_outage_and_leaves_nothing(database: Database) -> None:
    def write_and_lose_it() -> None:
        with database.transaction() as tx:
            tx.connection.execute(sa.insert(things).values(name="a"))
            end(database, [tx.connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()])

    with pytest.raises(Unavailable):
        write_and_lose_it()
    assert stored(database) == []


def test_idle_connections_that_the_server_ended_cost_nobody_a_failure(database: Database) -> None:
    put(database, {"name": "a"})
    other = opened(database.engine.url.render_as_string(hide_password=False))
    end(other, others(other, "state = 'idle'"))
    other.close()
    put(database, {"name": "b"})
    assert stored(database) == ["a", "b"]


def settings(database: Database) -> dict[str, str]:
    wanted = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "synchronous_commit")
    with database.transaction() as tx:
        return {name: tx.connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in wanted}


def test_everything_has_an_end_and_a_commit_is_durable(database: Database) -> None:
    assert settings(database) == {
        "lock_timeout": "10s",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "30s",
        "synchronous_commit": "on",
    }


def test_what_a_server_has_otherwise_changes_nothing(database: Database) -> None:
    name = database.engine.url.database
    for default in (
        "synchronous_commit = off",
        "timezone = 'Asia/Tokyo'",
        "default_transaction_isolation = serializable",
    ):
        with database.transaction() as tx:
            tx.connection.exec_driver_sql(f"ALTER DATABASE {name} SET {default}")
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    other = opened(database.engine.url.render_as_string(hide_password=False))
    put(other, {"name": "a", "at": noon})
    assert settings(other)["synchronous_commit"] == "on"
    with other.transaction() as tx:
        assert tx.connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "read committed"
    with other.reading() as connection:
        assert connection.scalars(sa.select(things.c.at)).one().isoformat() == noon.isoformat()
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "repeatable read"
    other.close()


def test_a_lock_is_not_waited_for_without_end(database: Database) -> None:
    with database.transaction() as holder:
        holder.lock("w1")
        with pytest.raises(Unavailable, match="55P03"):
            lock(database, "w1", within="lock_timeout = '50ms'")


def test_a_statement_has_an_end(database: Database) -> None:
    with database.transaction() as holder:
        holder.lock("w1")
        with pytest.raises(Unavailable, match="57014"):
            lock(database, "w1", within="statement_timeout = '50ms'")


def test_who_does_nothing_loses_its_locks(database: Database) -> None:
    def freeze() -> None:
        with database.transaction() as frozen:
            frozen.connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            frozen.lock("w1")
            lock(database, "w1")
            frozen.lock("w2")

    with pytest.raises(Unavailable):
        freeze()


def test_of_two_that_wait_for_each_other_one_goes_on(database: Database) -> None:
    both = threading.Barrier(2, timeout=SECONDS)

    def lock_both(first: str, second: str) -> str:
        try:
            with database.transaction() as tx:
                tx.lock(first)
                both.wait()
                tx.lock(second)
        except Unavailable as error:
            return error.detail
        return "done"

    with ThreadPoolExecutor(2) as pool:
        ends = sorted(pool.map(lock_both, ("a", "b"), ("b", "a")))
    assert ends == ["done", "the database is not available (40P01)"]


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable, match="25006"), database.reading() as connection:
        connection.execute(sa.insert(things).values(name="a"))


Change = Callable[[sa.URL], sa.URL]


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.set(port=1),
        lambda url: url.set(database="nowhere"),
        lambda url: url.set(username="nobody", password="x"),
        lambda url: url.set(host="203.0.113.1"),
    ],
    ids=["refused", "no database", "no user", "black hole"],
)
def test_a_server_that_does_not_let_us_in_is_an_outage(url: str, change: Change) -> None:
    database = opened(change(sa.make_url(url)).render_as_string(hide_password=False))
    began = time.monotonic()
    with pytest.raises(Unavailable), database.transaction():
        pass
    assert time.monotonic() - began < 5
    database.close()


def test_connections_are_not_waited_for_without_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.1)
    held = [database.engine.connect() for _ in range(15)]
    with pytest.raises(Unavailable, match="all connections"), database.transaction():
        pass
    for connection in held:
        connection.close()


def test_a_commit_of_another_process_is_heard_of_and_nothing_else_is(database: Database) -> None:
    heard = threading.Semaphore(0)
    other = opened(database.engine.url.render_as_string(hide_password=False))
    other.on_commit(heard.release)
    wait_for(database, "query LIKE 'LISTEN%'")
    with database.transaction() as tx:
        tx.connection.execute(sa.update(things).values(number=1))
    with pytest.raises(sa.exc.IntegrityError):
        put(database, {"name": "a"}, {"name": "a"})
    assert not heard.acquire(timeout=0.3)
    put(database, {"name": "a"})
    assert heard.acquire(timeout=SECONDS)
    other.close()


def test_who_listens_comes_back_when_the_server_ended_its_connection(database: Database) -> None:
    heard = threading.Semaphore(0)
    other = opened(database.engine.url.render_as_string(hide_password=False))
    other.on_commit(heard.release)
    ended = wait_for(database, "query LIKE 'LISTEN%'")
    end(database, ended)
    wait_for(database, f"query LIKE 'LISTEN%' AND pid <> {ended[0]}")
    put(database, {"name": "a"})
    assert heard.acquire(timeout=SECONDS)
    other.close()


def test_a_process_hears_of_its_own_commits_once(database: Database) -> None:
    heard: list[int] = []
    database.on_commit(lambda: heard.append(1))
    wait_for(database, "query LIKE 'LISTEN%'")
    put(database, {"name": "a"})
    wait_for(database, "query LIKE '%pg_notify%' AND state = 'idle'")
    time.sleep(0.1)
    assert heard == [1]


def test_closing_gives_all_connections_back(database: Database) -> None:
    other = opened(database.engine.url.render_as_string(hide_password=False))
    other.on_commit(lambda: None)
    put(other, {"name": "a"})
    wait_for(database, "query LIKE '%pg_notify%'")
    wait_for(database, "query LIKE 'LISTEN%'")
    other.close()
    deadline = time.monotonic() + SECONDS
    while others(database, "application_name = 'etma-house' AND query !~ 'pg_stat_activity'"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_embedded_system_has_no_driver_for_it() -> None:
    look = "import sys; import services.embedded; print('psycopg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout == "False\n"
