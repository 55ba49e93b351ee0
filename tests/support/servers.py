"""Where the real servers of the tests are: `make test-cluster` says it by the environment."""

from __future__ import annotations

import os

import pytest


def address(name: str) -> str:
    """The URL of a server: `postgresql`, `s3`, `second_s3`, `kafka` or `smtp`; fails when none was given."""
    variable = f"ETMA_TEST_{name.upper()}"
    given = os.environ.get(variable)
    if not given:
        pytest.fail(f"{variable} names no server; run this by `make test-cluster`")
    return given
