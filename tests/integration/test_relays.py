"""Several relays of one service: they share its outbox, and a key keeps its order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.messaging.message import Message
from shared.messaging.relay import Relay
from shared.messaging.shards import SHARDS, shard_of
from tests.integration.operations_house import received
from tests.support.databases import ManualClock, make_database
from tests.support.pipe import STOP

pytestmark = pytest.mark.cluster
WORKS = [f"w{number}" for number in range(40)]
SECONDS = 20


@dataclass
class _Paper:
    """A bus that writes down what it is given; while `open` is not set it lets whoever came wait."""

    written: list[Message]
    given: list[Message] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def append(self, messages: Sequence[Message]) -> None:
        self.given.extend(messages)
        self.reached.set()
        assert self.open.wait(SECONDS)
        self.written.extend(messages)


def test_a_relay_that_hangs_holds_up_its_own_shards_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETMA_TEST_DATABASES", "postgresql")
    database = make_database(sa.MetaData(), tmp_path, "submission", ManualClock())
    with database.transaction() as tx:
        tx.publish_all(received(work, version=number) for number in (1, 2, 3) for work in WORKS)
    written: list[Message] = []
    slow, quick = _Paper(written), _Paper(written)
    quick.open.set()
    hanging = threading.Thread(target=Relay(database, slow).step, args=(STOP,))
    hanging.start()
    assert slow.reached.wait(SECONDS)
    while Relay(database, quick).step(STOP):
        pass
    held = {shard_of(message.key) for message in slow.given}
    assert len(held) <= SHARDS // 2
    assert {message.key for message in written} == {work for work in WORKS if shard_of(work) not in held} != set()
    slow.open.set()
    hanging.join()
    while Relay(database, quick).step(STOP):
        pass
    assert {work: [m.sequence for m in written if m.key == work] for work in WORKS} == {
        work: [1, 2, 3] for work in WORKS
    }
