"""The replay through processes on real servers, two of each that matters, in the time of one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cluster import EVERYTHING, environment_for, in_replayed_time, own_places, twice
from tests.support.oulad import assert_audit_clean, assert_whole, figures, replay, small_dataset
from tests.support.processes import replay_options, roles

pytestmark = pytest.mark.cluster


def test_a_replay_through_two_processes_of_each_service_is_whole(tmp_path: Path) -> None:
    dataset, data_dir = small_dataset(tmp_path / "oulad"), tmp_path / "var"
    with (
        own_places(data_dir) as settings,
        roles(environment_for(in_replayed_time(settings)), *twice(EVERYTHING)) as running,
    ):
        environment = running["submission.api"].environment
        found = figures(replay(dataset, data_dir, *replay_options(running), environment=environment))
        assert_audit_clean(data_dir, environment)
    assert_whole(found)
