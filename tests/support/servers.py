"""Where the real servers of the tests are: the environment says it.

`make test-cluster` starts them as containers; `make servers` starts them for a longer time, as plain processes.
"""

from __future__ import annotations

import os

import pytest

NAMES = ("postgresql", "s3", "second_s3", "kafka", "smtp", "mailbox")
"""`mailbox` is the HTTP address at which what came in by `smtp` can be read."""


def address(name: str) -> str:
    """The URL of one of NAMES; fails the test when there is none."""
    if not is_given(name):
        pytest.fail(f"{variable(name)} is not set: run `make test-cluster`, or `make servers` first")
    return os.environ[variable(name)]


def is_given(name: str) -> bool:
    """Whether the environment names this server."""
    return bool(os.environ.get(variable(name)))


def variable(name: str) -> str:
    """The variable of the environment that holds a server's address."""
    return f"ETMA_TEST_{name.upper()}"
