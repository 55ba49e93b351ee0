"""The pages of operations show the pipeline and a trail, in the running system."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.operations.trail.handlers import TrailSearch
from services.operations.trail.views import TrailViews
from shared.looks import looks_at
from shared.web.remote_person_desk import RemotePersonDesk
from shared.web.remote_service import RemoteService
from tests.support.callers import SERVICES
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


def found(town: Town, reference: str, *, who: str = OPERATOR) -> str:
    return town.get(f"/operations/trail?q={reference}", "operations", who).text


def looks(town: Town) -> list[tuple[str, object]]:
    """Who looked at Ann's trail."""
    operations = town.system.services[4].database
    with operations.reading() as connection:
        return [(str(row["actor"]), row["what"]) for row in looks_at(connection, ref_of(town, ANN))]


def ref_of(town: Town, identifier: str) -> str:
    return town.system.identity.person_desk.find(identifier).person_ref


def test_a_file_is_found_by_its_hash_in_full(town: Town) -> None:
    town.hand_in(content=b"%PDF-1.4\nonly here\n")
    town.settle()
    digest = hashlib.sha256(b"%PDF-1.4\nonly here\n").hexdigest()
    assert "SubmissionReceived" in found(town, digest)
    assert "SubmissionReceived" in found(town, digest.upper())
    assert "Nothing is known here about" in found(town, digest[:-1])
    assert "Nothing is known here about" in found(town, "f" * 64)


@pytest.mark.parametrize("by", ["number", "reference"])
def test_a_student_is_found_and_the_look_is_recorded(town: Town, by: str) -> None:
    town.hand_in()
    town.settle()
    before = len(looks(town))
    page = found(town, ANN if by == "number" else ref_of(town, ANN))
    assert "SubmissionReceived" in page
    assert "VersionTaken" in page
    assert looks(town)[before:] == [(f"operations:{ref_of(town, OPERATOR)}", "trail")]


def test_the_api_records_the_look_as_well(town: Town) -> None:
    before = len(looks(town))
    events = town.get(f"/api/v1/operations/trail/{ANN}", "operations", OPERATOR).json()["events"]
    assert events
    assert len(looks(town)) == before + 1


def test_who_looks_for_no_person_leaves_no_look(town: Town) -> None:
    submission_id = town.hand_in().json()["submission_id"]
    town.settle()
    before = len(looks(town))
    assert "SubmissionReceived" in found(town, submission_id)
    assert len(looks(town)) == before


def test_while_identity_is_away_things_are_found_and_persons_are_said_not_to_be(town: Town) -> None:
    submission_id = town.hand_in().json()["submission_id"]
    town.settle()
    database = town.system.services[4].database
    with closing(RemoteService("identity", "http://127.0.0.1:9", SERVICES, asked_by="operations")) as away:
        search = TrailSearch(database, TrailViews(database), lambda: RemotePersonDesk(away))
        assert search.search(submission_id, actor="operations:x").events
        nobody = search.search(ref_of(town, ANN), actor="operations:x")
    assert (nobody.events, nobody.people_asked) == ([], False)


def test_the_empty_trail_page_only_asks(town: Town) -> None:
    page = town.get("/operations/trail", "operations", OPERATOR)
    assert (page.status_code, "Nothing is known" in page.text) == (200, False)


@pytest.mark.parametrize(("role", "person"), [("student", ANN), ("tutor", TUTOR)])
@pytest.mark.parametrize("path", ["/operations", "/operations/trail?q=x", "/api/v1/operations/trail/x"])
def test_others_are_kept_out(town: Town, path: str, role: str, person: str) -> None:
    assert town.get(path, role, person).status_code == 403
