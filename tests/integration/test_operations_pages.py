"""The pages of operations show the pipeline and a trail, in the running system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.university import ANN, OPERATOR, TMA, TUTOR, Town, running_town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(Path(tmp_path_factory.mktemp("town"))) as town:
        yield town


def test_the_pipeline_page_shows_stages_services_and_how_fresh_it_is(town: Town) -> None:
    town.hand_in()
    town.settle()
    page = town.get(f"/operations?assignment_id={TMA}", "operations", OPERATOR)
    assert page.status_code == 200
    for words in ("With a tutor, to be collected", "Not published yet", "marking", "As of", "The newest event", TMA):
        assert words in page.text


def test_the_trail_page_shows_every_event_with_the_raw_one(town: Town) -> None:
    submission_id = town.hand_in().json()["submission_id"]
    town.settle()
    page = town.get(f"/operations/trail?q={submission_id}", "operations", OPERATOR)
    assert page.status_code == 200
    for words in ("SubmissionReceived", "ScriptAllocated", "DeliverySent", "<details", "&#34;object_key&#34;"):
        assert words in page.text


def test_the_trail_page_escapes_what_was_asked(town: Town) -> None:
    page = town.get("/operations/trail?q=<script>", "operations", OPERATOR)
    assert "Nothing is known here about &lt;script&gt;" in page.text


def test_the_empty_trail_page_only_asks(town: Town) -> None:
    page = town.get("/operations/trail", "operations", OPERATOR)
    assert (page.status_code, "Nothing is known" in page.text) == (200, False)


@pytest.mark.parametrize(("role", "person"), [("student", ANN), ("tutor", TUTOR)])
@pytest.mark.parametrize("path", ["/operations", "/operations/trail?q=x", "/api/v1/operations/trail/x"])
def test_others_are_kept_out(town: Town, path: str, role: str, person: str) -> None:
    assert town.get(path, role, person).status_code == 403
