"""What the command line prints as a table can be used: nothing in it is cut off."""

from __future__ import annotations

import json

import pytest

from shared.listing import print_rows

ID = "4ef1942d-27c1-4b0a-9d6b-0c1c7f6f0a11"


def test_an_id_in_a_narrow_terminal_is_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_rows([{"first": "x" * 60, "second": None, "grant_id": "y" * 60}], as_json=False)
    printed = capsys.readouterr().out
    assert (printed.count("x"), printed.count("y")) == (60, 60)
    assert "None" not in printed


def test_machines_get_all_of_it_and_people_a_word_when_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"grant_id": ID, "until": None}], as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"grant_id": ID, "until": None}]
    print_rows([], as_json=False, nothing="No role.")
    assert capsys.readouterr().out == "No role.\n"
