"""The replay as a user runs it: figures, resuming, and what it refuses."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.replay.journal import Journal
from tests.support.oulad import (
    assert_audit_clean,
    assert_whole,
    etma,
    figures,
    replay,
    small_dataset,
)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, object]]:
    """The small dataset, the folder in which it was replayed, and the figures."""
    folder = tmp_path_factory.mktemp("replay")
    dataset, data_dir = small_dataset(folder / "oulad"), folder / "var"
    return dataset, data_dir, figures(replay(dataset, data_dir))


def test_the_figures_are_those_of_the_data_and_the_audit_agrees(replayed: tuple[Path, Path, dict[str, object]]) -> None:
    _, data_dir, found = replayed
    assert_whole(found)
    assert_audit_clean(data_dir)


def test_the_same_command_again_hands_nothing_in_and_prints_the_same(
    replayed: tuple[Path, Path, dict[str, object]],
) -> None:
    dataset, data_dir, found = replayed
    again = figures(replay(dataset, data_dir))
    timings = {"seconds", "per_second"}
    assert {k: v for k, v in again.items() if k not in timings} == {k: v for k, v in found.items() if k not in timings}


def test_another_replay_in_the_same_folder_is_refused(replayed: tuple[Path, Path, dict[str, object]]) -> None:
    dataset, data_dir, _ = replayed
    other = replay(dataset, data_dir, "--limit", "5")
    assert other.returncode == 2
    assert "Another replay is in" in other.stderr


def test_real_time_on_data_of_a_replay_is_refused(replayed: tuple[Path, Path, dict[str, object]]) -> None:
    _, data_dir, _ = replayed
    served = etma("serve", data_dir=data_dir, environment={})
    assert served.returncode == 2
    assert "It was made by a replay, in simulated time" in served.stderr


def test_a_replay_on_other_data_and_without_leave_is_refused(tmp_path: Path) -> None:
    dataset, data_dir = small_dataset(tmp_path / "oulad"), tmp_path / "var"
    without = replay(dataset, data_dir, environment={"ETMA_REPLAY": "0"})
    assert (without.returncode, "Set ETMA_REPLAY=1" in without.stderr) == (2, True)
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text("students: []\n", encoding="ascii")
    assert etma("import", "catalogue", str(catalogue), data_dir=data_dir, environment={}).returncode == 0
    other = replay(dataset, data_dir)
    assert (other.returncode, "holds other data" in other.stderr) == (2, True)
    assert not (data_dir / "replay").exists()


def test_a_command_on_data_of_a_replay_goes_by_its_clock(replayed: tuple[Path, Path, dict[str, object]]) -> None:
    _, data_dir, _ = replayed
    token = etma("token", "--role", "student", "--person", "R0000101", data_dir=data_dir, environment={})
    claims = json.loads(urlsafe_b64decode(token.stdout.split(".")[1] + "=="))
    assert datetime.fromtimestamp(claims["iat"], UTC).year == 2013


def test_a_receipt_whose_bytes_are_gone_is_lost(tmp_path: Path) -> None:
    dataset, data_dir = small_dataset(tmp_path / "oulad"), tmp_path / "var"
    assert figures(replay(dataset, data_dir, "--limit", "5"))["lost"] == 0
    journal = data_dir / "replay" / "receipts" / "client.jsonl"
    header, _, signature = journal.read_text(encoding="ascii").splitlines()[0].split(".")
    claims = {"assignment": "A", "student": "s", "version": 1, "submission_id": "x", "work": "w", "ruling": "late"}
    forged = f"{header}.{_encoded(claims)}.{signature}"
    with journal.open("a", encoding="ascii") as lines:
        lines.write(f"{forged}\n")
    again = replay(dataset, data_dir, "--limit", "5")
    assert again.returncode == 1
    found = json.loads(again.stdout)
    assert (found["submitted"], found["lost"], found["duplicated"]) == (5, 1, 0)


def test_a_torn_line_is_cut_off_before_the_next_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    receipt = f"e30.{_encoded(_CLAIMS)}.c2ln"
    journal.add(receipt)
    journal.sync(seconds=1.0, accept_ms=[3.0])
    journal.close()
    with (tmp_path / "receipts" / "client.jsonl").open("a", encoding="ascii") as lines:
        lines.write(receipt[: len(receipt) // 2])
    again = Journal(tmp_path)
    again.add(receipt)
    again.sync(seconds=2.0, accept_ms=[4.0, 5.0])
    assert [held.receipt for held in again.held()] == [receipt, receipt]
    assert again.timings() == (3.0, [3.0, 4.0, 5.0])
    again.close()


_CLAIMS = {"assignment": "A", "student": "s", "version": 1, "submission_id": "x", "work": "w", "ruling": "late"}


def _encoded(claims: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
