"""The object store dies and comes back while students hand in; the receipts in their hands are the witness."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.servers.objects import MinioProcess
from shared.errors import Unavailable
from shared.storage.s3.writer import PART_BYTES
from shared.storage.s3_store import S3Store
from tests.support.outcomes import Outcome, outcome
from tests.support.students import Students
from tests.support.university import Town, running_town

pytestmark = pytest.mark.cluster

WORKS = 100
KILLS = 5


@pytest.fixture
def minio(tmp_path: Path) -> Iterator[MinioProcess]:
    server = MinioProcess(tmp_path / MinioProcess.name)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def town(tmp_path: Path, minio: MinioProcess) -> Iterator[Town]:
    with running_town(tmp_path, objects_url=address_of(minio)) as town:
        yield town


def address_of(minio: MinioProcess) -> str:
    return f"{minio.address}/works?tls=0&worm=required"


def test_a_store_that_dies_again_and_again_costs_patience_and_no_work(
    town: Town, minio: MinioProcess, tmp_path: Path, judge: Callable[[Outcome], None]
) -> None:
    students = Students(town.hand_in, tmp_path / "receipts", works=WORKS)
    with students.handing_in():
        for _ in range(KILLS):
            time.sleep(random.uniform(0.1, 1.0))
            minio.kill()
            time.sleep(random.uniform(0.1, 1.0))
            minio.start()
    assert students.unknown > 0
    judge(outcome("object store killed", hits=KILLS, students=students, line=town))


def test_while_the_store_is_away_students_are_told_and_nothing_is_half_done(town: Town, minio: MinioProcess) -> None:
    minio.kill()
    answer = town.hand_in(key="one")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert "The object store cannot be reached" in answer.json()["detail"]
    assert town.rows("submission", "versions") == town.rows("submission", "refusals") == []
    assert town.client.get("/readyz").json()["problems"]["objects"] == "waits: unavailable"
    minio.start()
    assert town.hand_in(key="one").status_code == 201
    town.settle()
    assert town.audit().violations == []


def test_an_upload_in_parts_that_the_store_did_not_survive_leaves_nothing_to_be_seen(minio: MinioProcess) -> None:
    store = S3Store.from_url(address_of(minio))
    with store.writer("w/film") as writer:
        writer.write(bytes(3 * PART_BYTES))
        minio.kill()
        with pytest.raises(Unavailable):
            writer.write(bytes(3 * PART_BYTES))
    minio.start()
    assert list(store.walk()) == []
    with store.writer("w/film") as writer:
        writer.write(bytes(3 * PART_BYTES))
        assert writer.finish().size_bytes == 3 * PART_BYTES
