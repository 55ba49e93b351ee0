"""What every test gets: databases that it left open are closed behind it, and which tests a server can run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import structlog

from tests.support import postgresql
from tests.support.databases import close_all


def pytest_configure() -> None:
    """No logger keeps what it was set up with at its first use: another test sets it up otherwise."""
    structlog.configure = partial(_configure_without_cache, structlog.configure)
    set_up_logs()


def _configure_without_cache(configure: Callable[..., None], **given: Any) -> None:
    configure(**{**given, "cache_logger_on_first_use": False})


def set_up_logs() -> None:
    """Tracebacks as lines: one in colours, as structlog makes it by itself, takes longer than most tests."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A test that opens a folder as a command does leaves no quieter logs to the next."""
    yield
    set_up_logs()


@pytest.fixture(autouse=True)
def _closed_databases() -> Iterator[None]:
    yield
    close_all()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if postgresql.are_wanted():
        left_out = [item for item in items if item.get_closest_marker("sqlite")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_sessionfinish() -> None:
    postgresql.drop_all()
