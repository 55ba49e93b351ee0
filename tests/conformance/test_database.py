"""What every database promises; a new server inherits the suite and gives its own fixture."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from shared.columns import MOST_DIGITS, UtcDateTime
from shared.database import Database, upsert
from shared.database.dialect import NotText
from shared.errors import NotFound
from shared.inspection import counter_facts, outbox_facts
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.tables import metadata as messaging
from shared.messaging.tables import outbox
from tests.integration.operations_house import received
from tests.support import postgresql
from tests.support.databases import ManualClock

tables = sa.MetaData()
things = sa.Table(
    "thing",
    tables,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("at", UtcDateTime),
    sa.Column("data", sa.JSON),
    sa.Column("content", sa.LargeBinary),
    sa.Column("good", sa.Boolean),
)
SECONDS = 30
HOSTILE = ("a", "B", "a-1", "A-1", "a/b", "ä", "Z", "z", "_", "é", "e", "10", "9", "\U0001f600", "｡")
TEXTS = (
    "",
    "Ⅷ ½",
    "e\u0301 and \u00e9",
    "\U0001f9d1\u200d\U0001f393",
    "'; --",
    "a\tb\r\nc",
    "\u2028\ufeff",
    "\x01\x7f",
)


def put(database: Database, *rows: dict[str, Any], crowd: int = 0) -> None:
    """Write the rows, and so many more like the first along with them."""
    beside = [{**rows[0], "name": f"crowd {number}"} for number in range(crowd)]
    with database.transaction() as tx:
        tx.write(sa.insert(things), [*beside, *rows])


def names(connection: sa.Connection) -> list[str]:
    return sorted(connection.scalars(sa.select(things.c.name)))


def stored(database: Database) -> list[str]:
    with database.reading() as connection:
        return names(connection)


def value_of(database: Database, column: sa.Column[Any], name: str) -> Any:
    with database.reading() as connection:
        return connection.execute(sa.select(column).where(things.c.name == name)).scalar_one()


alone_and_in_a_crowd = pytest.mark.parametrize("crowd", [0, 20])
"""Many rows may travel in another way than few; what they say stays the same."""


class DatabaseConformance(ABC):
    """The suite."""

    database: Database

    @abstractmethod
    def opened_again(self) -> Database:
        """The same database for another process."""

    def test_a_transaction_is_whole(self) -> None:
        with self.database.transaction() as tx:
            tx.connection.execute(sa.insert(things).values(name="a"))
            tx.connection.execute(sa.insert(things).values(name="b"))
        assert stored(self.database) == ["a", "b"]

    def test_a_transaction_that_raises_leaves_nothing_and_runs_nothing(self) -> None:
        ran: list[str] = []

        def fail() -> None:
            with self.database.transaction() as tx:
                tx.connection.execute(sa.insert(things).values(name="a"))
                tx.after_commit(lambda: ran.append("after"))
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert (stored(self.database), ran) == ([], [])

    def test_what_waits_for_the_commit_sees_it(self) -> None:
        seen: list[list[str]] = []
        with self.database.transaction() as tx:
            tx.connection.execute(sa.insert(things).values(name="a"))
            tx.after_commit(lambda: seen.append(stored(self.database)))
        assert seen == [["a"]]

    def test_only_what_changes_something_counts_and_is_told(self) -> None:
        told: list[int] = []
        self.database.on_commit(lambda: told.append(self.database.commits))
        put(self.database, {"name": "a"})
        with self.database.transaction() as tx:
            tx.connection.execute(upsert(things, key=["name"], update=()), [{"name": "a"}])
            tx.connection.execute(sa.update(things).where(things.c.name == "b").values(number=1))
            tx.connection.execute(sa.select(things)).all()
        assert self.database.commits == 1
        with self.database.transaction() as tx:
            tx.connection.execute(sa.delete(things))
        assert told == [1, 2]

    def test_an_upsert_makes_changes_or_leaves_and_tells_how_many(self) -> None:
        newer = sa.literal_column("excluded.number") > things.c.number
        forms = (
            (upsert(things, key=["name"]), {"name": "a", "number": 1, "good": True}, 1, (1, True)),
            (upsert(things, key=["name"], update=()), {"name": "a", "number": 2, "good": False}, 0, (1, True)),
            (upsert(things, key=["name"], update=["number"]), {"name": "a", "number": 3, "good": False}, 1, (3, True)),
            (upsert(things, key=["name"], where=newer), {"name": "a", "number": 2, "good": False}, 0, (3, True)),
            (upsert(things, key=["name"], where=newer), {"name": "a", "number": 4, "good": False}, 1, (4, False)),
        )
        for statement, row, count, now in forms:
            with self.database.transaction() as tx:
                full = {"at": None, "data": None, "content": None, **row}
                assert tx.connection.execute(statement, full).rowcount == count
            assert (value_of(self.database, things.c.number, "a"), value_of(self.database, things.c.good, "a")) == now

    @alone_and_in_a_crowd
    def test_rows_that_are_there_are_left_and_those_that_were_made_are_returned(self, crowd: int) -> None:
        put(self.database, {"name": "a", "number": 1}, crowd=crowd)
        made = upsert(things, key=["name"], update=()).returning(things.c.name)
        with self.database.transaction() as tx:
            beside = [{"name": f"crowd {number}"} for number in range(crowd)]
            back = tx.write(made, [*beside, {"name": "b"}, {"name": "a"}])
        assert [row.name for row in back] == ["b"]
        assert value_of(self.database, things.c.number, "a") == 1

    @alone_and_in_a_crowd
    def test_rows_are_numbered_in_the_order_in_which_they_were_given(self, crowd: int) -> None:
        works = [f"w{number}" for number in range(crowd + 2)][::-1]
        with self.database.transaction() as tx:
            tx.publish_all(map(received, works))
        with self.database.reading() as connection:
            assert list(connection.scalars(sa.select(outbox.c.key).order_by(outbox.c.position))) == works

    @alone_and_in_a_crowd
    def test_rows_of_different_columns_are_refused_and_no_rows_are_nothing(self, crowd: int) -> None:
        with pytest.raises(ValueError, match="thing that have not the same columns"):
            put(self.database, {"name": "a"}, {"name": "b", "number": 1}, crowd=crowd)
        with self.database.transaction() as tx:
            assert tx.write(sa.insert(things).returning(things.c.name), []) == ()
        assert (stored(self.database), self.database.commits) == ([], 0)

    @alone_and_in_a_crowd
    def test_what_many_rows_changed_counts_and_a_lock_of_many_does_not(self, crowd: int) -> None:
        with self.database.transaction() as tx:
            tx.lock(*(f"w{number}" for number in range(crowd + 2)))
        assert self.database.commits == 0
        put(self.database, {"name": "a"}, crowd=crowd)
        assert self.database.commits == 1

    def test_an_update_returns_what_it_made(self) -> None:
        put(self.database, {"name": "a", "number": 5})
        with self.database.transaction() as tx:
            more = sa.update(things).values(number=things.c.number + 2).returning(things.c.number)
            assert tx.connection.execute(more).scalar_one() == 7
            assert tx.connection.execute(sa.delete(things)).rowcount == 1

    def test_facts_of_a_key_are_numbered_without_a_gap_and_in_order(self) -> None:
        def say(writer: int) -> None:
            for turn in range(8):
                with self.database.transaction() as tx:
                    keys = ("w1", "w2", "W3")
                    tx.publish_all(received(key) for key in (keys if (writer + turn) % 2 else keys[::-1]))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(say, range(4)))
        numbers: dict[str, list[int]] = defaultdict(list)
        with self.database.reading() as connection:
            for row in connection.execute(sa.select(outbox.c.key, outbox.c.headers).order_by(outbox.c.position)):
                numbers[row.key].append(int(row.headers["ce_sequence"]))
        assert numbers == {key: list(range(1, 33)) for key in ("w1", "w2", "W3")}

    def test_who_holds_a_key_is_alone_and_the_order_of_asking_stops_nobody(self) -> None:
        put(self.database, {"name": "count"})

        def count(writer: int) -> None:
            for _ in range(10):
                with self.database.transaction() as tx:
                    tx.lock(*(HOSTILE if writer % 2 else HOSTILE[::-1]))
                    number = tx.connection.execute(sa.select(things.c.number)).scalar_one()
                    tx.connection.execute(sa.update(things).values(number=number + 1))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(4)))
        assert value_of(self.database, things.c.number, "count") == 40

    def test_who_came_later_to_a_key_has_the_later_moment(self, clock: ManualClock) -> None:
        moments: list[datetime] = []
        entered = threading.Event()

        def come_later() -> None:
            with self.database.transaction() as tx:
                entered.set()
                tx.lock("w1")
                moments.append(tx.now)

        with self.database.transaction() as first:
            first.lock("w1")
            later = threading.Thread(target=come_later)
            later.start()
            entered.wait(0.5)  # where one writes at a time, it does not get so far
            clock.advance(timedelta(seconds=1))
        later.join(SECONDS)
        assert moments == [first.now + timedelta(seconds=1)]

    def test_thousands_of_keys_in_one_transaction(self) -> None:
        works = [f"w{number:05}" for number in range(3000)]
        with self.database.transaction() as tx:
            tx.lock(*works)
            tx.publish_all(map(received, works))
        said = [row["key"] for row in self._pages(500)]
        assert said == works

    def test_a_reader_sees_one_moment(self) -> None:
        put(self.database, {"name": "a"})
        with self.database.reading() as connection:
            assert names(connection) == ["a"]
            put(self.database, {"name": "b"})
            assert names(connection) == ["a"]
        assert stored(self.database) == ["a", "b"]

    def test_a_reader_does_not_see_what_is_not_committed(self) -> None:
        with self.database.transaction() as tx:
            tx.connection.execute(sa.insert(things).values(name="a"))
            assert stored(self.database) == []

    @alone_and_in_a_crowd
    def test_moments_come_back_in_utc_to_the_microsecond_and_sort(self, crowd: int) -> None:
        moments = [datetime(2026, 7, 1, 12, 0, 0, microsecond, UTC) for microsecond in (0, 1, 100_000, 999_999)]
        london = timezone(timedelta(hours=1))
        nothing = {"name": "none", "at": None}
        rows = [{"name": str(n), "at": at.astimezone(london)} for n, at in enumerate(moments)]
        put(self.database, nothing, *rows, crowd=crowd)
        with self.database.reading() as connection:
            dated = sa.select(things.c.at).where(things.c.at.is_not(None))
            back = list(connection.scalars(dated.order_by(things.c.at)))
            noon = sa.select(things.c.name).where(things.c.at <= moments[0])
            assert list(connection.scalars(noon)) == ["0"]
        assert [at.isoformat() for at in back] == [at.isoformat() for at in moments]

    @alone_and_in_a_crowd
    def test_a_moment_without_a_zone_is_refused(self, crowd: int) -> None:
        naive = datetime(2026, 7, 1, 12, tzinfo=UTC).replace(tzinfo=None)
        with pytest.raises((ValueError, sa.exc.StatementError), match="without a time zone"):
            put(self.database, {"name": "a", "at": naive}, crowd=crowd)

    @alone_and_in_a_crowd
    @pytest.mark.parametrize("text", TEXTS)
    def test_text_comes_back_as_it_was(self, text: str, crowd: int) -> None:
        put(self.database, {"name": text, "data": {text: [text, None, 1.5, True]}}, crowd=crowd)
        assert text in stored(self.database)
        assert value_of(self.database, things.c.data, text) == {text: [text, None, 1.5, True]}

    @alone_and_in_a_crowd
    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    def test_text_that_no_server_keeps_is_refused(self, text: str, crowd: int) -> None:
        with pytest.raises(NotText):
            put(self.database, {"name": text}, crowd=crowd)
        with pytest.raises(NotText), self.database.reading() as connection:
            connection.execute(sa.select(things).where(things.c.name == text)).all()

    @alone_and_in_a_crowd
    def test_numbers_and_bytes_come_back_as_they_were(self, crowd: int) -> None:
        content = bytes(range(256)) * 20_000
        put(self.database, {"name": "a", "number": 2**63 - 1, "content": content, "good": False}, crowd=crowd)
        assert value_of(self.database, things.c.number, "a") == 2**63 - 1
        assert value_of(self.database, things.c.content, "a") == content
        assert value_of(self.database, things.c.good, "a") is False

    def test_a_list_is_read_to_its_end_page_by_page(self) -> None:
        with self.database.transaction() as tx:
            tx.publish_all(map(received, HOSTILE))
        assert sorted(str(row["key"]) for row in self._pages(2)) == sorted(HOSTILE)

    def _pages(self, size: int) -> Iterator[dict[str, object]]:
        after = ""
        while page := counter_facts(self.database, after=after, limit=size):
            yield from page
            after = str(page[-1]["position"])

    def test_a_place_beyond_all_numbers_is_the_end(self) -> None:
        letters = DeadLetters(self.database, Consumer(database=self.database, handlers={}))
        assert outbox_facts(self.database, after="9" * MOST_DIGITS) == []
        assert letters.list(after=10**MOST_DIGITS - 1) == []
        with pytest.raises(NotFound):
            letters.show("9" * MOST_DIGITS)

    def test_what_another_process_committed_is_there(self) -> None:
        other = self.opened_again()
        put(other, {"name": "a"})
        assert stored(self.database) == ["a"]
        other.close()

    def test_its_clock_is_asked(self) -> None:
        assert isinstance(self.database.clock_drift(), timedelta)

    def test_numbers_that_nobody_holds_are_free(self) -> None:
        with self.database.holding("shards", range(4)) as held:
            assert list(held) == [0, 1, 2, 3]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class TestSqlite(DatabaseConformance):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path, clock: ManualClock) -> Iterator[None]:
        self.url, self.clock = f"sqlite:///{tmp_path / 'house.db'}", clock
        self.database = self.opened_again()
        make_tables(self.database)
        yield
        self.database.close()

    def opened_again(self) -> Database:
        return Database(self.url, source="marking", clock=self.clock)


@pytest.mark.cluster
class TestPostgreSql(DatabaseConformance):
    @pytest.fixture(autouse=True)
    def _database(self, clock: ManualClock) -> Iterator[None]:
        self.url, self.clock = postgresql.new_database(), clock
        self.database = self.opened_again()
        make_tables(self.database)
        yield
        self.database.close()

    def opened_again(self) -> Database:
        return Database(self.url, source="marking", clock=self.clock)

    def test_numbers_are_shared_out_among_processes_and_given_back(self) -> None:
        other = self.opened_again()
        with self.database.holding("shards", range(2)) as first, other.holding("shards", range(4)) as second:
            assert (sorted(first), sorted(second)) == ([0, 1], [2, 3])
        with other.holding("shards", range(4)) as all_of_them:
            assert sorted(all_of_them) == [0, 1, 2, 3]
        other.close()

    def test_who_takes_some_takes_the_first_and_leaves_the_rest(self) -> None:
        other = self.opened_again()
        with (
            self.database.holding("shards", [3, 1, 0, 2], at_most=2) as first,
            other.holding("shards", [3, 1, 0, 2]) as second,
        ):
            assert (sorted(first), sorted(second)) == ([1, 3], [0, 2])
        other.close()


def make_tables(database: Database) -> None:
    messaging.create_all(database.engine)
    tables.create_all(database.engine)
