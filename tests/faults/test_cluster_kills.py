"""Processes on real servers are killed while students hand in; what the clients hold in the end is the witness."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.support.cluster import LINE, Cluster, new_cluster
from tests.support.outcomes import Outcome, outcome
from tests.support.processes import Role, roles
from tests.support.students import Students

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
def test_what_is_killed_again_and_again_loses_and_doubles_nothing(
    cluster: Cluster, victims: tuple[str, ...], judge: Callable[[Outcome], None], request: pytest.FixtureRequest
) -> None:
    with roles(cluster.environment, *LINE) as running:
        for role in running.values():
            role.wait_until_ready()
        students = students_of(cluster, running)
        with students.handing_in():
            for number in range(KILLS):
                time.sleep(random.uniform(0.1, 1.0))
                again(running[victims[number % len(victims)]])
        killed = f"{request.node.callspec.id} killed"
        judge(outcome(killed, hits=KILLS, students=students, line=cluster))


def students_of(cluster: Cluster, running: Mapping[str, Role]) -> Students:
    hand_in = partial(cluster.hand_in, running["submission.api"])
    return Students(hand_in, cluster.folder / "receipts", works=HANDED_IN)


def again(role: Role) -> None:
    role.kill()
    role.start()
