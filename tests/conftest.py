"""What every test gets: databases that it left open are closed behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import close_all


@pytest.fixture(autouse=True)
def _closed_databases() -> Iterator[None]:
    yield
    close_all()
