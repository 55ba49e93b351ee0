"""The replay against processes on real servers, two of each role, in the time of one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cluster import TWICE, environment_for, in_replayed_time, own_places
from tests.support.oulad import assert_audit_clean, assert_whole, figures, replay, small_dataset
from tests.support.processes import replay_options, roles

pytestmark = pytest.mark.cluster


def test_a_replay_through_two_processes_of_each_role_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETMA_TEST_DATABASES", "postgresql")
    dataset, data_dir = small_dataset(tmp_path / "oulad"), tmp_path / "var"
    with (
        own_places(data_dir) as settings,
        roles(environment_for(in_replayed_time(settings)), *TWICE) as running,
    ):
        environment = running["submission.api"].environment
        found = figures(replay(dataset, data_dir, *replay_options(running), environment=environment))
        assert_audit_clean(data_dir, environment)
    assert_whole(found)
