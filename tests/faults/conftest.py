"""A disk whose power can be cut, for the tests that need one; and the table of what the faults did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.outcomes import Outcome
from tests.support.power import Disk, build_library

COLUMNS = {
    "fault": "fault",
    "times": "hits",
    "sent": "sent",
    "unknown": "unknown",
    "lost": "lost",
    "duplicated": "duplicated",
    "order breaks": "order_breaks",
    "drained in (s)": "drained_seconds",
}
"""Of the table: the word over the column, and the field of `Outcome`."""


@pytest.fixture(scope="session")
def power_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("power"))


@pytest.fixture
def disk(tmp_path: Path, power_library: Path) -> Disk:
    return Disk(tmp_path / "disk", power_library)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Callable[[Outcome], None]:
    """Give the outcome its row in the table, and demand that the fault did no harm."""

    def record_and_demand(found: Outcome) -> None:
        request.node.user_properties.append((Outcome.__name__, asdict(found)))
        found.assert_harmless()

    return record_and_demand


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found]
    calls = [report for report in reports if getattr(report, "when", "") == "call"]
    rows = [value for call in calls for name, value in call.user_properties if name == Outcome.__name__]
    if rows:
        terminalreporter.section("what the faults did")
        for line in table(sorted(rows, key=lambda row: row["fault"])):
            terminalreporter.write_line(line)


def table(rows: list[Mapping[str, Any]]) -> list[str]:
    width = max(len(row["fault"]) for row in rows)
    lines = [list(COLUMNS), *([str(row[name]) for name in COLUMNS.values()] for row in rows)]
    return [f"{first:{width}}" + "".join(f"{cell:>16}" for cell in others) for first, *others in lines]
