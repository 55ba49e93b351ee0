"""How many facts a relay brings from a full outbox to the bus in a second, in one process on one shard lock."""

from __future__ import annotations

import threading
import time

import sqlalchemy as sa

from bench.facts import fill_outbox, relay_of
from bench.figures import PAIRS, Spread, table
from bench.world import cluster
from services.system import System
from shared.messaging.tables import outbox

FACTS = 10_000


def report(*, quick: bool) -> str:
    """The table: the same outbox, published again and again."""
    facts, runs = (FACTS // 10, 1) if quick else (FACTS, PAIRS)
    with cluster() as found:
        fill_outbox(found.system, facts)
        _publish(found.system)  # what the university said, and the producer's first connection
        rates = [_rate(found.system, facts) for _ in range(runs)]
    return table("Relay", ("facts", "per second"), [(facts, Spread.of(rates))])


def _rate(system: System, facts: int) -> float:
    with system.submission.database.transaction() as tx:
        is_ours = outbox.c.type.contains("SubmissionReceived")
        tx.connection.execute(sa.update(outbox).where(is_ours).values(published_at=None))
    began = time.monotonic()
    _publish(system)
    return facts / (time.monotonic() - began)


def _publish(system: System) -> None:
    relay, never = relay_of(system), threading.Event()
    while relay.step(never):
        pass
