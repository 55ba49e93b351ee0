"""The broker is killed under the whole system while students hand in; what they hold in the end is the witness."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.servers.kafka import KafkaProcess
from shared.contracts import SUBMISSION
from tests.support.cluster import LINE, Cluster, new_cluster
from tests.support.outcomes import log_of, order_breaks
from tests.support.processes import Role, roles
from tests.support.university import ANN, BEN

pytestmark = pytest.mark.cluster

KILLS = 3
PAUSE_SECONDS = 0.05
AWAY_SECONDS = 2


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaProcess]:
    broker = KafkaProcess(tmp_path / "broker")
    broker.start()
    monkeypatch.setenv("ETMA_TEST_KAFKA", broker.address)
    monkeypatch.setenv("ETMA_TEST_DATABASES", "postgresql")
    yield broker
    broker.kill()


def test_a_broker_that_is_killed_three_times_loses_and_doubles_nothing(broker: KafkaProcess, tmp_path: Path) -> None:
    receipts = tmp_path / "receipts"
    receipts.mkdir()
    with new_cluster(tmp_path) as cluster:
        with roles(cluster.environment, *LINE) as running:
            for role in running.values():
                role.wait_until_ready()
            over = threading.Event()
            students = threading.Thread(target=hand_in, args=(cluster, running["submission.api"], receipts, over))
            students.start()
            for _ in range(KILLS):
                kill_and_start(broker)
            over.set()
            students.join()
            assert cluster.settle() < 60
            for role in running.values():
                role.wait_until_ready()
        report = cluster.audit(receipts)
        facts = {message.id: message for message in log_of(cluster.bus) if message.topic == SUBMISSION.name}
    handed_in = len(list(receipts.iterdir()))
    assert report.violations == []
    assert report.counts["receipts"] == handed_in
    assert report.counts["dead_letters"] == 0
    of_each_work = Counter(message.key for message in facts.values())
    assert sorted(of_each_work.values()) == [handed_in // 2, (handed_in + 1) // 2]
    assert order_breaks(facts.values()) == 0


def kill_and_start(broker: KafkaProcess) -> None:
    """In the middle of the students' work, which goes on without it."""
    time.sleep(1)
    broker.kill()
    time.sleep(AWAY_SECONDS)
    broker.start()


def hand_in(cluster: Cluster, api: Role, receipts: Path, over: threading.Event) -> None:
    """One after the other, until the test is over."""
    for number, person in enumerate(itertools.cycle((ANN, BEN))):
        if over.wait(PAUSE_SECONDS):
            return
        answer = cluster.hand_in(api, person, content=b"%PDF-1.4 version " + str(number).encode())
        assert answer.status_code == 201, answer.text
        (receipts / f"{number}.jws").write_text(answer.json()["receipt"], encoding="ascii")
