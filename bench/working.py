"""How many facts one worker applies in a second, beside a bulk loop in Faust that writes the same rows.

The worker is marking's: each fact is a student's first version, to be ruled on and held until the student's group is
known. Each run begins at the same copy of the database, and reads the same topic from its beginning.
"""

from __future__ import annotations

import secrets
import threading
import time

import psycopg
import sqlalchemy as sa

from bench.candidates import program
from bench.facts import fill_outbox, relay_of
from bench.figures import PAIRS, Spread, ratios, table
from bench.world import cluster
from tests.support import postgresql
from tests.support.cluster import Cluster
from tests.support.processes import roles
from tests.support.servers import address

FACTS = 10_000
LOOK_SECONDS = 0.02
WAIT_SECONDS = 60.0


def report(*, quick: bool) -> str:
    """The table."""
    facts, pairs = (FACTS // 10, 1) if quick else (FACTS, PAIRS)
    ours, bulk = [], []
    with cluster() as found:
        template = _prepared(found, facts)
        for _ in range(pairs):
            done = postgresql.new_database(template)
            ours.append(_ours(found, done, facts))
            bulk.append(_bulk(done, postgresql.new_database(template), facts))
    rows = [("our worker", Spread.of(ours)), ("bulk loop", Spread.of(bulk)), ("ours : bulk", ratios(ours, bulk))]
    return table(f"One worker, {facts:,} facts", ("candidate", "facts per second"), rows)


def _prepared(found: Cluster, facts: int) -> str:
    """The topic full of facts; the name of a database of marking that has seen none of them."""
    system = found.system
    fill_outbox(system, facts)
    relay, never = relay_of(system), threading.Event()
    while relay.step(never):
        pass
    marking = next(service.database for service in system.services if service.name == "marking")
    marking.engine.dispose()  # a database that is in use cannot be copied
    return str(marking.engine.url.database)


def _ours(found: Cluster, url: str, facts: int) -> float:
    with roles({**found.environment, "ETMA_MARKING_DATABASE_URL": url}, "marking.worker") as running:
        running["marking.worker"].wait_until_ready()
        return _rate(url, facts)


def _bulk(source: str, target: str, facts: int) -> float:
    group = f"etma-bench-{secrets.token_hex(4)}"
    with program("bench.bulk", address("kafka"), group, _plain(source), _plain(target)):
        return _rate(target, facts)


def _rate(url: str, facts: int) -> float:
    """Facts a second from the first commit that can be seen to the last."""
    deadline = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        first, began = _seen(connection), time.monotonic()
        while not first:
            time.sleep(LOOK_SECONDS)
            first, began = _seen(connection), time.monotonic()
        while _seen(connection) < facts:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{_seen(connection)} of {facts} within {WAIT_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)
        return (facts - first) / (time.monotonic() - began)


def _seen(connection: psycopg.Connection[tuple[int]]) -> int:
    """How many of submission's facts have had their effect: each makes one ruling."""
    found = connection.execute("SELECT count(*) FROM ruling").fetchone()
    return found[0] if found else 0


def _plain(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
