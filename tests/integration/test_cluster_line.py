"""The line on real servers: every role a process, PostgreSQL for each service, facts on Kafka, files in S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import LINE, Cluster, new_cluster
from tests.support.processes import roles
from tests.support.university import ANN, BEN

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with new_cluster(tmp_path) as cluster:
        yield cluster


def test_work_goes_from_the_student_to_the_tutor_through_real_servers(cluster: Cluster) -> None:
    with roles(cluster.environment, *LINE) as running:
        for role in running.values():
            role.wait_until_ready()
        answers = [cluster.hand_in(running["submission.api"], person) for person in (ANN, BEN)]
        assert [answer.status_code for answer in answers] == [201, 201], answers
        cluster.settle()
        statuses = {name: inspection.status() for name, inspection in cluster.system.inspections().items()}
        assert {name: role.stop() for name, role in running.items()} == dict.fromkeys(running, 0)
    assert {status["lag"] for status in statuses.values()} == {0}
    assert {row["state"] for row in cluster.system.inspections()["marking"].facts("scripts")} == {"allocated"}
    assert len(list((cluster.folder / "var" / "mail").glob("*/*.eml"))) == len([ANN, BEN]) * len(["receipt", "news"])
    assert cluster.audit().violations == []
