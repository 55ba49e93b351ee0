"""The town on real servers: two web processes and workers of each service; emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2 as httpx
import sqlalchemy as sa

from services.intake.catalogue import take_in
from services.migration import OWNERS
from shared.messaging import tables as messaging
from tests.support.cluster import TOWN, Cluster, new_cluster, twice
from tests.support.gateway import Gateway
from tests.support.processes import Role, roles
from tests.support.university import Town, small_university

KEPT: Final = frozenset({"time_source", "progress", "observed_end", "receipt_key"})
"""Tables with what the processes hold on to: where they are on the bus, and the key that they sign with."""


class ClusterTown(Town):
    """The same town as an embedded one; `renew` makes it as it was at first."""

    def __init__(self, cluster: Cluster, running: Mapping[str, Role]) -> None:
        super().__init__(cluster.system, httpx.Client(base_url="http://127.0.0.1", transport=Gateway(running)))
        self.mail = cluster.folder / "var" / "mail"
        self.relays = [role for role in running.values() if role.role == "relay"]

    @contextmanager
    def bus_away(self) -> Iterator[None]:
        """Nothing gets to the broker within the block, which other tests share: no relay runs."""
        for relay in self.relays:
            assert relay.stop() == 0
        try:
            yield
        finally:
            for relay in self.relays:
                relay.start()
            for relay in self.relays:
                relay.wait_until_ready()

    def renew(self) -> None:
        """Take away what the test before left, under the running processes, and take the university in again."""
        self.settle()
        for service in self.system.services:
            _empty(service.name, service.database.engine)
        for entry in self.system.platform.objects.walk():
            self.system.platform.objects.delete(entry.key, entry.version)
        for letter in self.mail.rglob("*.eml"):
            letter.unlink()
        take_in(self.system, small_university())


def _empty(service: str, engine: sa.Engine) -> None:
    known = [*messaging.metadata.sorted_tables, *OWNERS[service].metadata.sorted_tables]
    with engine.begin() as connection:
        for table in reversed(known):
            if table.name not in KEPT:
                connection.execute(sa.delete(table))


@contextmanager
def running_cluster_town(folder: Path) -> Iterator[ClusterTown]:
    """All processes, ready."""
    with new_cluster(folder) as cluster, roles(cluster.environment, *twice(TOWN)) as running:
        for role in running.values():
            role.wait_until_ready()
        town = ClusterTown(cluster, running)
        yield town
        town.client.close()
