"""The town, once in one process and once as processes on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster_town import ClusterTown, running_cluster_town
from tests.support.university import Town, running_town


@pytest.fixture(params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """A running system with the small university and nothing handed in."""
    if request.param == "embedded":
        with running_town(tmp_path) as town:
            yield town
    else:
        cluster_town: ClusterTown = request.getfixturevalue("cluster_town")
        cluster_town.renew()
        yield cluster_town


@pytest.fixture(scope="module")
def cluster_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterTown]:
    """Its processes start once for all tests of a module."""
    with running_cluster_town(tmp_path_factory.mktemp("cluster")) as town:
        yield town
