"""A disk whose power can be cut, for the tests that need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.power import Disk, build_library


@pytest.fixture(scope="session")
def power_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("power"))


@pytest.fixture
def disk(tmp_path: Path, power_library: Path) -> Disk:
    return Disk(tmp_path / "disk", power_library)
