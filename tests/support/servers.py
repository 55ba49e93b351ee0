"""Where the real servers of the tests are: `make test-cluster` says it by the environment."""

from __future__ import annotations

import os

import pytest


def address(name: str) -> str:
    """The URL of a server: `postgresql`, `s3`, `second_s3`, `kafka` or `smtp`; fails when none was given."""
    if not is_given(name):
        pytest.fail(f"{_variable(name)} names no server; run this by `make test-cluster`")
    return os.environ[_variable(name)]


def is_given(name: str) -> bool:
    """Whether the environment names this server."""
    return bool(os.environ.get(_variable(name)))


def _variable(name: str) -> str:
    return f"ETMA_TEST_{name.upper()}"
