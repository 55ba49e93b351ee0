"""The object store dies and comes back while students hand in; the receipts in their hands are the witness."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from deploy.servers.objects import MinioProcess
from shared.errors import Unavailable
from shared.storage.s3.writer import PART_BYTES
from shared.storage.s3_store import S3Store
from tests.support.university import ANN, BEN, PDF, Town, running_town

pytestmark = pytest.mark.cluster

STUDENTS = 4
WORKS = 100
KILLS = 5
SECONDS = 60


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
    town: Town, minio: MinioProcess, tmp_path: Path
) -> None:
    journal = tmp_path / "receipts"
    journal.mkdir()
    with ThreadPoolExecutor(STUDENTS) as students:
        handing_in = [students.submit(hand_in_at_last, town, journal, number) for number in range(WORKS)]
        for _ in range(KILLS):
            time.sleep(random.uniform(0.1, 1.0))
            minio.kill()
            time.sleep(random.uniform(0.1, 1.0))
            minio.start()
        answers = sum((student.result() for student in handing_in), Counter[int]())
    assert answers[201] == WORKS
    assert answers.keys() == {201, 503}
    town.settle()
    report = town.audit(journal)
    assert report.violations == []
    assert (report.counts["receipts"], report.counts["versions"]) == (WORKS, WORKS)


def hand_in_at_last(town: Town, journal: Path, number: int) -> Counter[int]:
    """Try until there is a receipt, and keep it; how often each status was answered."""
    answers = Counter[int]()
    hand_in = partial(town.hand_in, (ANN, BEN)[number % 2], content=PDF + str(number).encode(), key=str(uuid.uuid4()))
    deadline = time.monotonic() + SECONDS
    while (answer := hand_in()).status_code == 503:
        answers[503] += 1
        assert time.monotonic() < deadline
        time.sleep(0.1)
    answers[answer.status_code] += 1
    (journal / f"{number}.jws").write_text(answer.json()["receipt"], encoding="ascii")
    return answers


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
