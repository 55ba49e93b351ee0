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
from tests.support.processes import Role, again, roles
from tests.support.students import Students

pytestmark = pytest.mark.cluster

HANDED_IN = 60
KILLS = 8
MOMENTS = 3
OF_AN_ACCEPTANCE = ("submission.bytes_durable", "submission.before_commit", "submission.committed")
KILLED = ("marking.worker", "notifier.worker", "submission.relay", "marking.relay", "notifier.sender")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
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


@pytest.mark.parametrize("victim", ["submission.relay", "marking.relay"])
def test_what_a_relay_published_and_did_not_mark_comes_twice_and_has_its_effects_once(
    cluster: Cluster, victim: str, judge: Callable[[Outcome], None]
) -> None:
    with roles(cluster.environment, *LINE) as running:
        running["submission.api"].wait_until_ready()
        cluster.settle()
        students = students_of(cluster, running)
        with students.handing_in():
            for _ in range(MOMENTS):
                running[victim].die_at("relay.acknowledged")
            again(running[victim])
        found = outcome(f"{victim} killed before its mark", hits=MOMENTS, students=students, line=cluster)
    assert found.repeated >= MOMENTS
    judge(found)


@pytest.mark.parametrize("victim", ["submission.worker", "marking.worker", "notifier.worker", "operations.worker"])
def test_a_worker_killed_again_and_again_in_mid_batch_applies_the_batch_once(
    cluster: Cluster, victim: str, judge: Callable[[Outcome], None]
) -> None:
    with roles(cluster.environment, *LINE) as running:
        running["submission.api"].wait_until_ready()
        cluster.settle()
        running[victim].kill()
        students = students_of(cluster, running)
        students.hand_in_all()
        for _ in range(MOMENTS):
            running[victim].die_at("consumer.applied")
        again(running[victim])
        judge(outcome(f"{victim} killed in mid-batch", hits=MOMENTS, students=students, line=cluster))


def test_students_who_were_not_answered_ask_again_and_hold_one_receipt(
    cluster: Cluster, judge: Callable[[Outcome], None]
) -> None:
    with roles(cluster.environment, *LINE) as running:
        api = running["submission.api"]
        api.wait_until_ready()
        students = students_of(cluster, running)
        with students.handing_in():
            for moment in OF_AN_ACCEPTANCE:
                api.die_at(f"{moment}:{HANDED_IN // 10}")
            again(api)
        assert students.unknown >= len(OF_AN_ACCEPTANCE)
        hits = len(OF_AN_ACCEPTANCE)
        judge(outcome("submission.api killed in an acceptance", hits=hits, students=students, line=cluster))
