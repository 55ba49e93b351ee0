"""What a student holds a receipt for is soon locked against deletion by the store itself, where it can do that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.submission.submissions.store import SubmissionStore, version_table
from services.submission.upload.handlers import RETAIN_CHUNK, Retaining
from shared.errors import Unavailable
from shared.storage.port import ObjectRetained
from tests.support.buckets import own_bucket
from tests.support.databases import ManualClock
from tests.support.objects import VERSION, LockingStore
from tests.support.servers import address
from tests.support.university import ANN, PDF, Town, running_town

SECONDS = 20


class Vault:
    """A town whose files lie in a store that keeps locks, and what locks them."""

    def __init__(self, town: Town, folder: Path) -> None:
        self.town = town
        self.clock = ManualClock(datetime.now(UTC))
        self.objects = LockingStore(folder / "var" / "objects", self.clock)
        self.database = town.system.submission.database
        self.start()

    def start(self) -> None:
        """A process that begins."""
        self.retaining = Retaining(
            retention=self.objects, receipts=SubmissionStore(), database=self.database, clock=self.clock
        )

    def hand_in(self) -> Any:
        """The row of a new version."""
        answer = self.town.hand_in(ANN)
        assert answer.status_code == 201
        return self.row(answer.json()["submission_id"])

    def row(self, submission_id: str) -> Any:
        with self.database.reading() as connection:
            query = sa.select(version_table).where(version_table.c.submission_id == submission_id)
            return connection.execute(query).one()


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with running_town(tmp_path) as town:
        yield Vault(town, tmp_path)


def test_a_version_is_retained_from_its_arrival_on_and_noted(vault: Vault) -> None:
    row = vault.hand_in()
    until = row.arrived_at + LockingStore.period
    assert row.retained_until is None
    assert vault.retaining.step() == 1
    assert vault.objects.locks == {(row.object_key, row.object_version): until}
    assert vault.row(row.submission_id).retained_until == until
    assert vault.retaining.step() == 0


def test_what_was_locked_and_not_noted_is_locked_once_more_to_the_same_moment(vault: Vault) -> None:
    vault.hand_in()
    vault.retaining.step()
    locks = vault.objects.locks.copy()
    with vault.database.transaction() as tx:
        tx.connection.execute(sa.update(version_table).values(retained_until=None))
    vault.objects.locks.clear()
    vault.start()
    vault.retaining.step()
    assert vault.objects.locks == locks


def test_an_outage_is_waited_for_and_nothing_is_noted(vault: Vault) -> None:
    row = vault.hand_in()
    vault.retaining.retention = Away()
    with pytest.raises(Unavailable):
        vault.retaining.step()
    assert vault.row(row.submission_id).retained_until is None


def test_an_object_that_is_gone_stops_nobody_and_is_looked_for_in_every_round(vault: Vault) -> None:
    gone, there = vault.hand_in(), vault.hand_in()
    vault.objects.delete(gone.object_key, gone.object_version)
    assert [vault.retaining.step() for _ in range(3)] == [2, 0, 1]
    assert vault.row(gone.submission_id).retained_until is None
    assert vault.row(there.submission_id).retained_until is not None


def test_what_is_older_than_the_period_is_noted_and_not_locked(vault: Vault) -> None:
    row = vault.hand_in()
    vault.clock.move_to(row.arrived_at + LockingStore.period)
    vault.retaining.step()
    assert vault.objects.locks == {}
    assert vault.row(row.submission_id).retained_until == vault.clock.now()


def test_many_versions_are_retained_in_portions(vault: Vault) -> None:
    vault.hand_in()
    with vault.database.transaction() as tx:
        row = dict(tx.connection.execute(sa.select(version_table)).mappings().one()) | {"object_version": VERSION}
        del row["position"]
        many = [row | dict.fromkeys(UNIQUE, f"{number}") | {"version": number} for number in range(2, 200)]
        tx.connection.execute(sa.insert(version_table), many)
    for number in range(2, 200):
        vault.objects.put(f"{number}", PDF)
    assert [vault.retaining.step() for _ in range(4)] == [RETAIN_CHUNK, 99, 0, 0]


UNIQUE = ("submission_id", "object_key", "receipt_id", "idempotency_key")


class Away:
    """A store that cannot be reached."""

    period = timedelta(days=1)

    def retain(self, key: str, version: str, until: datetime) -> None:
        raise Unavailable


@pytest.mark.cluster
@pytest.mark.parametrize("server", ["s3", "second_s3"])
def test_in_a_bucket_what_was_handed_in_can_soon_not_be_deleted(tmp_path: Path, server: str) -> None:
    with (
        own_bucket(address(server), "worm=required&retention_days=7") as url,
        running_town(tmp_path, objects_url=url) as town,
    ):
        assert town.hand_in(ANN).status_code == 201
        town.settle()
        (entry,) = town.system.platform.objects.walk()
        deadline = time.monotonic() + SECONDS
        while not is_retained(town):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with pytest.raises(ObjectRetained):
            town.system.platform.objects.delete(entry.key, entry.version)
        assert town.audit().violations == []


def is_retained(town: Town) -> bool:
    return all(row["retained_until"] for row in town.rows("submission", "versions"))
