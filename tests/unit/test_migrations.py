"""Every history leads to the tables that the code has, and a database is brought there whole or not at all."""

from __future__ import annotations

import io
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql as postgresql_words
from sqlalchemy.schema import CreateIndex, CreateTable

from services.migration import OWNERS, Owner
from shared.columns import UtcDateTime
from shared.database import BrokenReferences, Database
from shared.migrations.alembic_steps import UnknownTables, config_of, upgrade, write_next
from shared.migrations.history import DatabaseIsNewer, History
from shared.migrations.migrate import migrate
from tests.support import postgresql
from tests.support.growing import SECONDS, history_of, open_house, start_process, write_revision

EVERY_OWNER = pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
Shape = dict[str, tuple[str, ...]]


@pytest.fixture
def house_url(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    on_server = getattr(request, "param", "sqlite") == "postgresql"
    return postgresql.new_database() if on_server else f"sqlite:///{tmp_path / 'house.db'}"


@pytest.fixture
def house(house_url: str) -> Iterator[Database]:
    database = open_house(house_url)
    yield database
    database.close()


EVERY_SERVER = pytest.mark.parametrize(
    "house_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.cluster)], indirect=True
)


def in_memory() -> sa.Engine:
    return sa.create_engine("sqlite://", poolclass=sa.StaticPool)


def shape(connection: sa.Connection, *, version_table: str = "") -> Shape:
    """What is declared of each table and index: the parts of its statement, in whatever order, unquoted.

    A column's own CHECK is a part like a table's: a table that was rebuilt has it there.
    """
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: _parts(text) for name, text in rows if name not in {version_table, "sqlite_sequence"}}


def _parts(statement: str) -> tuple[str, ...]:
    head, _, rest = " ".join(statement.replace('"', "").split()).partition("(")
    body, _, tail = rest.rpartition(")") if head.startswith("CREATE TABLE") else (rest, "", "")
    body = re.sub(r"(?<=[A-Z]) (?=CHECK )", ", ", body)
    return (head.strip(), *sorted(part.strip() for part in re.split(r",(?![^(]*\))", body)), tail.strip())


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def everything(database: Database) -> dict[str, list[object]]:
    """The whole database: what is declared of each table, and its rows."""
    declared = sa.MetaData()
    with database.reading() as connection:
        declared.reflect(connection)
        return {
            name: [str(CreateTable(table)), *sorted(map(tuple, connection.execute(sa.select(table))))]
            for name, table in declared.tables.items()
        }


def fill(database: Database) -> None:
    with database.transaction() as tx:
        tx.connection.exec_driver_sql("INSERT INTO house (number, name) VALUES (1, 'Rose'), (2, 'Oak')")
        tx.connection.exec_driver_sql("INSERT INTO guest (name, house) VALUES ('Ann', 1), ('Ben', 2)")


@EVERY_OWNER
def test_a_migrated_database_has_the_tables_of_the_code(owner: Owner) -> None:
    migrated, made = in_memory(), in_memory()
    owner.metadata.create_all(made)
    with migrated.begin() as connection, made.begin() as other:
        upgrade(connection, owner.history)
        context = MigrationContext.configure(connection, opts={"version_table": owner.history.version_table})
        assert compare_metadata(context, owner.metadata) == []
        assert shape(connection, version_table=owner.history.version_table) == shape(other)
    migrated.dispose()
    made.dispose()


DECLARED = """
    SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable || coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
"""


@pytest.mark.cluster
@pytest.mark.parametrize("owner", [owner for name, owner in OWNERS.items() if name != "local_bus"])
def test_a_migrated_server_has_the_tables_of_the_code(owner: Owner) -> None:
    migrated, made = (sa.create_engine(postgresql.new_database()) for _ in range(2))
    owner.metadata.create_all(made)
    version_table = owner.history.version_table
    with migrated.begin() as connection, made.begin() as other:
        upgrade(connection, owner.history)
        context = MigrationContext.configure(connection, opts={"version_table": version_table})
        assert compare_metadata(context, owner.metadata) == []
        found = {tuple(row) for row in connection.exec_driver_sql(DECLARED) if row[1] != version_table}
        assert found == {tuple(row) for row in other.exec_driver_sql(DECLARED)}
    migrated.dispose()
    made.dispose()


@EVERY_OWNER
def test_a_history_makes_the_same_indexes_on_postgresql(owner: Owner) -> None:
    script = io.StringIO()
    config = config_of(owner.history, dialect_name="postgresql")
    config.output_buffer = script
    command.upgrade(config, "head", sql=True)
    written = " ".join(script.getvalue().split())
    for index in sorted(index.name or "" for table in owner.metadata.tables.values() for index in table.indexes):
        assert f"{_create(owner, index)};" in written


def _create(owner: Owner, name: str) -> str:
    (index,) = (each for table in owner.metadata.tables.values() for each in table.indexes if each.name == name)
    statement = str(CreateIndex(index).compile(dialect=postgresql_words.dialect()))  # type: ignore[no-untyped-call]
    return " ".join(statement.split())


@EVERY_OWNER
def test_files_are_named_by_their_place_in_the_history(owner: Owner) -> None:
    chain = [each.revision for each in ScriptDirectory.from_config(config_of(owner.history)).walk_revisions()]
    assert chain[::-1] == owner.history.revisions == [f"{n:04}" for n in range(1, len(chain) + 1)]


@EVERY_SERVER
def test_a_rebuilt_table_keeps_its_rows_and_what_refers_to_them(tmp_path: Path, house: Database) -> None:
    migrate(house, [history_of(tmp_path, revisions=1)])
    fill(house)
    migrate(house, [history_of(tmp_path)])
    assert rows(house, "SELECT * FROM house ORDER BY number") == [(1, "Rose", "red"), (2, "Oak", "white")]
    assert rows(house, "SELECT * FROM guest ORDER BY name") == [("Ann", 1), ("Ben", 2)]
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"), house.transaction() as tx:
        tx.connection.exec_driver_sql("INSERT INTO guest (name, house) VALUES ('Cy', 3)")


def test_a_revision_that_breaks_references_is_taken_back(tmp_path: Path, house: Database) -> None:
    migrate(house, [history_of(tmp_path, revisions=1)])
    fill(house)
    before = everything(house)
    write_revision(tmp_path, 2, '\n    op.execute("DELETE FROM house WHERE number = 2")\n')
    with pytest.raises(BrokenReferences, match="guest"):
        migrate(house, [history_of(tmp_path, revisions=1)])
    assert everything(house) == before


@EVERY_SERVER
@pytest.mark.parametrize("step", [1, 2])
def test_killed_in_the_middle_leaves_the_old_state_and_the_next_start_goes_on(
    tmp_path: Path, house_url: str, house: Database, step: int
) -> None:
    migrate(house, [history_of(tmp_path, revisions=1)])
    fill(house)
    before = everything(house)
    history = history_of(tmp_path)
    (tmp_path / "go").touch()
    killed = start_process(tmp_path, house_url, {"ETMA_KILL_POINT": f"migrations.applied:{step}"})
    killed.communicate(timeout=SECONDS)
    assert killed.returncode == -signal.SIGKILL
    assert everything(house) == before
    migrate(house, [history])
    assert rows(house, "SELECT * FROM house_version") == [("0003",)]
    assert rows(house, "SELECT number, colour FROM house ORDER BY number") == [(1, "red"), (2, "white")]


@EVERY_SERVER
def test_a_second_history_that_fails_takes_the_first_with_it(tmp_path: Path, house: Database) -> None:
    sound = history_of(tmp_path)
    (tmp_path / "other").mkdir()
    write_revision(tmp_path / "other", 1, '\n    op.execute("SELECT * FROM nowhere")\n')
    with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
        migrate(house, [sound, History(tmp_path / "other" / "versions")])
    assert everything(house) == {}


@EVERY_SERVER
def test_of_processes_that_start_at_once_one_migrates_and_all_go_on(
    tmp_path: Path, house_url: str, house: Database
) -> None:
    history_of(tmp_path)
    write_revision(tmp_path, 4, "\n    __import__('time').sleep(1)\n")  # so that all come before the first is done
    logs = [tmp_path / f"log-{number}" for number in range(3)]
    processes = [start_process(tmp_path, house_url, {"ETMA_KILL_LOG": str(log)}) for log in logs]
    deadline = time.monotonic() + SECONDS
    while len(list(tmp_path.glob("ready-*"))) < len(processes):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (tmp_path / "go").touch()
    ends = [(*process.communicate(timeout=SECONDS), process.returncode) for process in processes]
    assert ends == [("", "", 0)] * len(processes)
    assert sum(log.exists() for log in logs) == 1
    assert rows(house, "SELECT * FROM house_version") == [("0004",)]


def test_a_new_file_that_another_process_is_setting_up_is_waited_for(tmp_path: Path, house: Database) -> None:
    other = sqlite3.connect(tmp_path / "house.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["COMMIT"])
    release.start()
    migrate(house, [history_of(tmp_path)])
    release.join()
    other.close()
    assert rows(house, "SELECT * FROM house_version") == [("0003",)]


@EVERY_SERVER
def test_a_newer_database_is_refused_and_not_changed(tmp_path: Path, house: Database) -> None:
    with house.transaction() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE house_version (version_num TEXT NOT NULL)")
        tx.connection.exec_driver_sql("INSERT INTO house_version VALUES ('0007')")
    before = everything(house)
    (tmp_path / "other").mkdir()
    write_revision(tmp_path / "other", 1, '\n    op.execute("CREATE TABLE other (n INTEGER)")\n')
    with pytest.raises(DatabaseIsNewer, match=r"is at revision 0007 .* knows none after 0003"):
        migrate(house, [History(tmp_path / "other" / "versions"), history_of(tmp_path)])
    assert everything(house) == before


def test_starting_again_changes_nothing_and_asks_nothing_of_alembic(
    tmp_path: Path, house_url: str, house: Database
) -> None:
    history = history_of(tmp_path)
    migrate(house, [history])
    before = everything(house), (tmp_path / "house.db-wal").read_bytes()
    for _again in range(2):
        migrate(house, [history])
    assert (everything(house), (tmp_path / "house.db-wal").read_bytes()) == before
    look = (
        "import sys; from pathlib import Path; from tests.support.growing import *;"
        f"folder = Path({str(tmp_path)!r}); migrate(open_house({house_url!r}), [history_of(folder)]);"
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout == "False\n"


def test_a_folder_with_a_percent_sign_and_a_space_is_found(tmp_path: Path, house: Database) -> None:
    folder = tmp_path / "100 %(here)s"
    folder.mkdir()
    migrate(house, [history_of(folder)])
    assert rows(house, "SELECT * FROM house_version") == [("0003",)]


def test_tables_made_before_there_were_histories_are_taken_over(tmp_path: Path, house: Database) -> None:
    migrate(house, [history_of(tmp_path, revisions=1)])
    fill(house)
    with house.transaction() as tx:
        tx.connection.exec_driver_sql("DROP TABLE house_version")
    migrate(house, [history_of(tmp_path)])
    assert rows(house, "SELECT * FROM house_version") == [("0003",)]
    assert rows(house, "SELECT * FROM house ORDER BY number") == [(1, "Rose", "red"), (2, "Oak", "white")]


@EVERY_SERVER
def test_other_tables_without_a_number_are_refused_and_not_changed(tmp_path: Path, house: Database) -> None:
    with house.transaction() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE house (number INTEGER PRIMARY KEY, roof TEXT)")
    before = everything(house)
    with pytest.raises(UnknownTables, match=r"differs from revision 0001 in guest, house\. Nothing was changed"):
        migrate(house, [history_of(tmp_path)])
    assert everything(house) == before


def test_the_next_revision_is_written_from_what_the_code_declares(tmp_path: Path, house: Database) -> None:
    history = history_of(tmp_path)
    declared = sa.MetaData()
    with house.changing_tables() as connection:
        upgrade(connection, history)
        declared.reflect(connection, only=["house", "guest"])
        declared.tables["house"].append_column(sa.Column("built_at", UtcDateTime, index=True))
        write_next(connection, history, metadata=declared, message="When it was built")
    assert [path.name for path in history.versions.glob("0004*")] == ["0004_when_it_was_built.py"]
    migrate(house, [history])
    with house.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": history.version_table})
        assert compare_metadata(context, declared) == []
