"""Processes on real servers are killed while students hand in; what the clients hold in the end is the witness."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import LINE, Cluster, new_cluster
from tests.support.processes import Role, roles
from tests.support.university import ANN, BEN

pytestmark = pytest.mark.cluster

HANDED_IN = 60
KILLS = 8
KILLED = ("marking.worker", "notifier.worker", "submission.relay", "marking.relay", "notifier.sender")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("ETMA_TEST_DATABASES", "postgresql")
    with new_cluster(tmp_path) as cluster:
        yield cluster


@pytest.mark.parametrize("victims", [(name,) for name in KILLED] + [KILLED], ids=[*KILLED, "each in turn"])
def test_what_is_killed_again_and_again_loses_and_doubles_nothing(cluster: Cluster, victims: tuple[str, ...]) -> None:
    receipts = cluster.folder / "receipts"
    receipts.mkdir()
    with roles(cluster.environment, *LINE) as running:
        for role in running.values():
            role.wait_until_ready()
        students = threading.Thread(target=hand_in_all, args=(cluster, running["submission.api"], receipts))
        students.start()
        for number in range(KILLS):
            time.sleep(random.uniform(0.1, 1.0))
            again(running[victims[number % len(victims)]])
        students.join()
        seconds = cluster.settle()
        assert seconds < 60
    report = cluster.audit(receipts)
    assert report.violations == []
    assert report.counts["receipts"] == HANDED_IN
    assert report.counts["dead_letters"] == 0


def again(role: Role) -> None:
    role.kill()
    role.start()


def hand_in_all(cluster: Cluster, api: Role, receipts: Path) -> None:
    for number in range(HANDED_IN):
        answer = cluster.hand_in(api, (ANN, BEN)[number % 2], content=b"%PDF-1.4 version " + str(number).encode())
        assert answer.status_code == 201, answer.text
        (receipts / f"{number}.jws").write_text(answer.json()["receipt"], encoding="ascii")
