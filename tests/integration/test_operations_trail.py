"""The trail has every event once, in order, and nothing personal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.operations.reconciliation import streams
from services.operations.reconciliation.domain import check_chain
from services.operations.service import HISTORY
from shared.contracts import DeliverySent, Fact, fact_type
from shared.migrations.alembic_steps import upgrade
from tests.integration.operations_house import NOON, House, allocated, collected, person, received, refused
from tests.support import postgresql


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def names(house: House, reference: str) -> list[str]:
    return [event.name for event in house.trail.about(reference)]


def test_events_are_found_by_every_id_of_the_work(house: House) -> None:
    house.hear(received(), allocated(), collected())
    everything = ["SubmissionReceived", "ScriptAllocated", "ScriptCollected"]
    for reference in ("w1", "s-w1-1", "r-w1-1", "c-w1"):
        assert names(house, reference) == everything
    assert [event.name for event in house.trail.about_person("p-w1")] == everything
    assert [event.name for event in house.trail.about_file("0" * 64)] == everything


def test_a_person_is_not_found_by_the_way_of_things_where_no_look_is_recorded(house: House) -> None:
    house.hear(received())
    assert names(house, "p-w1") == []


def test_other_work_is_not_shown(house: House) -> None:
    house.hear(received("w1"), received("w2"))
    assert [event.work_id for event in house.trail.about("s-w2-1")] == ["w2"]
    assert names(house, "nothing") == []


def test_a_digest_belongs_to_each_work_that_it_tells_of(house: House) -> None:
    sent = DeliverySent(
        delivery_id="d1", person_ref="tutor-1", purposes=("new_script",), work_ids=("w1", "w2", "w1"), sent_at=NOON
    )
    house.hear(received("w1"), received("w2"), sent)
    assert names(house, "w2") == ["SubmissionReceived", "DeliverySent"]


def test_an_event_has_who_when_and_the_raw_fact(house: House) -> None:
    fact = received()
    house.hear(fact)
    (event,) = house.trail.about("w1")
    assert (event.position, event.actor, event.occurred_at) == (1, "student:p-w1", NOON)
    assert event.payload == fact.model_dump_json()


def test_of_a_person_nothing_is_kept_but_the_hash(house: House) -> None:
    house.hear(person("p-w1"))
    (event,) = house.trail.about_person("p-w1")
    assert event.payload is None
    assert "Ann" not in str(house.rows("trail_event"))
    assert len(event.payload_sha256) == 64


def test_an_event_that_comes_twice_is_written_once(house: House) -> None:
    heard = house.messages_of(received(), received(version=2))
    house.deliver(heard)
    house.deliver([heard[0], heard[1], heard[1]])
    assert [event.position for event in house.trail.about("w1")] == [1, 2]


def test_the_chain_holds_over_runs_and_erasure(house: House) -> None:
    house.hear(person("p1"), *(received(f"w{number}") for number in range(5)), refused("w9"))
    with house.database.transaction() as tx:
        tx.connection.execute(sa.text("UPDATE trail_event SET payload = NULL WHERE work_id = 'w3'"))
    rows = house.trail.page(after="", limit=100)
    assert len(rows) == 7
    assert list(check_chain(streams.link_of(row) for row in rows)) == []


def test_the_chain_is_paged_by_position(house: House) -> None:
    house.hear(*(received(f"w{number}") for number in range(12)))
    first = house.trail.page(after="", limit=10)
    rest = house.trail.page(after=str(first[-1]["position"]), limit=10)
    assert [row["position"] for row in rest] == ["11", "12"]


def test_a_long_trail_goes_on_behind_a_position(house: House) -> None:
    house.hear(*(received(version=version) for version in range(1, 5)))
    page = house.trail.about("w1", limit=3)
    assert [event.position for event in house.trail.about("w1", after=page[-1].position, limit=3)] == [4]


@pytest.mark.parametrize("server", ["sqlite", pytest.param("postgresql", marks=pytest.mark.cluster)])
def test_files_of_earlier_events_are_found_after_a_migration(server: str) -> None:
    engine = sa.create_engine(postgresql.new_database() if server == "postgresql" else "sqlite://")
    old = sa.MetaData()
    with engine.begin() as connection:
        upgrade(connection, HISTORY, "0001")
        old.reflect(connection, only=["trail_event"])
        facts: list[Fact | None] = [received(), allocated(), None]
        rows = [an_event(position, fact) for position, fact in enumerate(facts, start=1)]
        connection.execute(sa.insert(old.tables["trail_event"]), rows)
        upgrade(connection, HISTORY)
        found = connection.execute(sa.text("SELECT position, file_sha256 FROM trail_event ORDER BY position")).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [(1, "0" * 64), (2, None), (3, None)]


def an_event(position: int, fact: Fact | None) -> dict[str, object]:
    """A row as it was before files had a column."""
    return {
        "position": position,
        "ce_id": f"e{position}",
        "type": fact_type(type(fact)) if fact else fact_type(type(received())),
        "topic": "etma.submission.v1",
        "key": "w1",
        "work_id": "w1",
        "occurred_at": NOON.isoformat(),
        "actor": "system",
        "correlation_id": "c",
        "sequence": position,
        "payload": fact.model_dump_json() if fact else None,
        "payload_sha256": "0" * 64,
        "chain": "0" * 64,
    }


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements of all databases meanwhile; one executed for many rows is one."""
    seen: list[str] = []

    def note(*event: Any) -> None:
        if not event[2].startswith(("PRAGMA", "BEGIN")):
            seen.append(event[2])

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


def test_a_run_of_500_costs_as_many_statements_as_a_run_of_one(house: House) -> None:
    with statements() as one:
        house.hear(received("v1"))
    with statements() as many:
        house.hear(*(received(f"w{number}") for number in range(500)))
    assert len(many) == len(one)
