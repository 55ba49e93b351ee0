"""The town on real servers: two web processes and workers of each service; emptied before each test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx2 as httpx
import sqlalchemy as sa

from services.intake.catalogue import take_in
from services.migration import OWNERS
from shared.messaging import tables as messaging
from tests.support.cluster import TOWN, Cluster, new_cluster, twice
from tests.support.databases import SERVICES
from tests.support.processes import Role, roles
from tests.support.university import Town, small_university

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "images" / "gateway" / "nginx.conf"
LOCATION = re.compile(r"location (?:~ )?(\S+) { proxy_pass http://127\.0\.0\.1:810(\d); }")
KEPT: Final = frozenset({"time_source", "progress", "observed_end", "receipt_key"})
"""Tables with what the processes hold on to: where they are on the bus, and the key that they sign with."""


class Gateway(httpx.BaseTransport):
    """Each request to the service that the gateway's configuration says, to its web processes in turn."""

    def __init__(self, running: Mapping[str, Role]) -> None:
        self._http = httpx.HTTPTransport()
        found = LOCATION.findall(CONFIGURATION.read_text(encoding="ascii"))
        self._services = [(re.compile(pattern), SERVICES[int(number) - 1]) for pattern, number in found]
        self._turns = {
            service: cycle([role.url for role in running.values() if (role.service, role.role) == (service, "api")])
            for service in SERVICES
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        service = next(service for pattern, service in self._services if pattern.match(request.url.path))
        request.url = httpx.URL(next(self._turns[service])).copy_with(raw_path=request.url.raw_path)
        return self._http.handle_request(request)

    def close(self) -> None:
        self._http.close()


class ClusterTown(Town):
    """The same town as an embedded one; `renew` makes it as it was at first."""

    def __init__(self, cluster: Cluster, running: Mapping[str, Role]) -> None:
        super().__init__(cluster.system, httpx.Client(base_url="http://127.0.0.1", transport=Gateway(running)))
        self.mail = cluster.folder / "var" / "mail"

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
