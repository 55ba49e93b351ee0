"""The list of breakages is in step with the code."""

from __future__ import annotations

import pytest

from tests.sabotage.breakages import BREAKAGES, Breakage
from tests.sabotage.run import ROOT


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_each_line_is_there_once_and_its_test_exists(breakage: Breakage) -> None:
    assert (ROOT / breakage.file).read_text(encoding="utf-8").count(breakage.old) == 1
    file, *names = breakage.test.partition("[")[0].split("::")
    assert f"def {''.join(names[-1:])}" in (ROOT / file).read_text(encoding="utf-8")


def test_there_are_enough() -> None:
    assert len(BREAKAGES) >= 20
    assert len({breakage.name for breakage in BREAKAGES}) == len(BREAKAGES)
