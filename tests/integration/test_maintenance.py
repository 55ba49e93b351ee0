"""While it is closed for maintenance, students and tutors are told why; those who work on it, and machines, go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.university import ANN, OPERATOR, TUTOR, Town, running_town

WORDS = "We move to new machines until 10:00. What you have handed in is safe."


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("town"), maintenance=WORDS) as town:
        yield town


@pytest.mark.parametrize(("role", "person", "path"), [("student", ANN, "/work"), ("tutor", TUTOR, "/tutor")])
def test_people_are_told_why_in_the_universitys_words(town: Town, role: str, person: str, path: str) -> None:
    answer = town.client.get(path, headers=town.token(role, person))
    assert (answer.status_code, WORDS in answer.text) == (503, True)
    assert int(answer.headers["retry-after"]) > 0


def test_nothing_is_received_and_programs_are_told(town: Town) -> None:
    answer = town.hand_in()
    assert (answer.status_code, answer.json()["code"]) == (503, "maintenance")
    assert town.system.inspections()["submission"].facts("versions") == []


def test_operations_see_how_it_goes(town: Town) -> None:
    assert town.client.get("/operations", headers=town.token("operations", OPERATOR)).status_code == 200


def test_it_is_well_and_receipts_can_be_checked(town: Town) -> None:
    assert town.client.get("/readyz").status_code == 200
    assert town.client.get("/verify").status_code == 200
