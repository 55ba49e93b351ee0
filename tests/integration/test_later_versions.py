"""A student hands in again after collection: the tutor is asked, says once which one counts; nobody is surprised."""

from __future__ import annotations

from collections import Counter

import httpx2 as httpx
import pytest

from tests.integration.test_line import words_of
from tests.support.university import ANN, BEN, OPERATOR, OTHER_TUTOR, PDF, TMA, TUTOR, Town

SECOND, THIRD = PDF + b"second", PDF + b"third"


def collected(town: Town) -> str:
    """Let Ann hand in and her tutor collect; the work's id."""
    work_id: str = town.hand_in(ANN).json()["work_id"]
    town.settle()
    assert collect(town, work_id).status_code == 200
    return work_id


def collect(town: Town, work_id: str) -> httpx.Response:
    return town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR)


def hand_in_again(town: Town, content: bytes = SECOND) -> str:
    """Once more, until marking has ruled on it; the submission's id."""
    submission_id: str = town.hand_in(ANN, content=content).json()["submission_id"]
    town.settle()
    return submission_id


def answer(town: Town, submission_id: str, choice: str, *, tutor: str = TUTOR) -> httpx.Response:
    path = f"/api/v1/later-versions/{submission_id}/answer"
    return town.client.post(path, json={"choice": choice}, headers=town.token("tutor", tutor))


def rulings(town: Town) -> list[tuple[object, object]]:
    return [(row["version"], row["ruling"]) for row in town.rows("marking", "rulings")]


def questions(town: Town) -> list[tuple[object, object]]:
    return [(row["version"], row["state"]) for row in town.rows("marking", "questions")]


def script(town: Town) -> tuple[object, object]:
    (row,) = town.rows("marking", "scripts")
    return row["taken_version"], row["state"]


def told(town: Town) -> Counter[object]:
    return Counter(row["purpose"] for row in town.rows("notifier", "obligations"))


def content(town: Town, work_id: str) -> bytes:
    return town.get(f"/api/v1/scripts/{work_id}/content", "tutor", TUTOR).content


def student_reads(town: Town) -> str:
    return words_of(town.get(f"/assignments/{TMA}", "student", ANN).text)


def test_collected_and_handed_in_again_while_the_bus_is_away_ends_in_one_ruling_and_one_choice(town: Town) -> None:
    work_id = town.hand_in(ANN).json()["work_id"]
    town.settle()
    with town.bus_away():
        assert collect(town, work_id).status_code == 200
        second = town.hand_in(ANN, content=SECOND)
        assert second.status_code == 201
        assert questions(town) == []
        assert "Received and kept" in student_reads(town)
    town.settle()
    assert rulings(town) == [(1, "taken"), (2, "not_taken")]
    assert (questions(town), script(town)) == ([(2, "open")], (1, "collected"))
    once = {"receipt": 2, "new_script": 1, "version_not_taken": 1, "version_question": 1}
    assert told(town) == once
    assert town.audit().violations == []

    submission_id = second.json()["submission_id"]
    assert answer(town, submission_id, "take").status_code == 200
    assert answer(town, submission_id, "take").status_code == 200
    town.settle()
    assert (rulings(town), questions(town)) == ([(1, "taken"), (2, "not_taken")], [(2, "taken")])
    assert told(town) == once | {"later_version_taken": 1}
    assert "Your tutor takes this version instead of the earlier one" in student_reads(town)
    assert town.audit().violations == []

    assert town.get(f"/api/v1/scripts/{work_id}/content", "tutor", TUTOR).json()["code"] == "not_collected"
    collect(town, work_id)
    town.settle()
    assert (content(town, work_id), script(town)) == (SECOND, (2, "collected"))
    assert {row["state"] for row in town.rows("notifier", "deliveries")} == {"sent"}
    assert town.audit().violations == []


def test_a_version_in_flight_while_the_tutor_collects_is_asked_about_and_the_earlier_one_can_be_kept(
    town: Town,
) -> None:
    work_id = town.hand_in(ANN).json()["work_id"]
    town.settle()
    with town.bus_away():
        submission_id = town.hand_in(ANN, content=SECOND).json()["submission_id"]
        collect(town, work_id)
    town.settle()
    assert questions(town) == [(2, "open")]
    assert answer(town, submission_id, "keep").json()["state"] == "kept"
    town.settle()
    assert (questions(town), script(town)) == ([(2, "kept")], (1, "collected"))
    assert (told(town)["later_version_declined"], told(town)["later_version_taken"]) == (1, 0)
    assert content(town, work_id) == PDF
    assert "Your tutor keeps the earlier version, and marks that one" in student_reads(town)
    home = words_of(town.get("/work", "student", ANN).text)
    assert ("Version 1, " in home, "With your tutor" in home) == (True, True)
    assert "Version 2 came later: it is kept, and your tutor marks the earlier one" in home
    receipt = words_of(town.get(f"/receipts/{submission_id}", "student", ANN).text)
    assert "Your tutor keeps the earlier version" in receipt
    assert town.audit().violations == []


def test_a_version_in_flight_while_the_tutor_takes_the_one_before_simply_takes_its_place(town: Town) -> None:
    work_id = collected(town)
    second = hand_in_again(town)
    with town.bus_away():
        town.hand_in(ANN, content=THIRD)
        assert answer(town, second, "take").status_code == 200
    town.settle()
    assert rulings(town) == [(1, "taken"), (2, "not_taken"), (3, "taken")]
    assert (questions(town), script(town)) == ([(2, "taken")], (3, "allocated"))
    collect(town, work_id)
    town.settle()
    assert content(town, work_id) == THIRD
    home = words_of(town.get("/work", "student", ANN).text)
    assert ("Version 3, " in home, "With your tutor" in home) == (True, True)
    assert town.audit().violations == []


def test_a_still_later_version_supersedes_the_question_and_an_answer_to_the_old_one_is_a_conflict(town: Town) -> None:
    collected(town)
    second = hand_in_again(town)
    third = hand_in_again(town, THIRD)
    assert questions(town) == [(2, "superseded"), (3, "open")]
    outdated = answer(town, second, "take")
    assert (outdated.status_code, outdated.json()["code"]) == (409, "question_superseded")
    assert "handed in again after version 2" in outdated.json()["detail"]
    assert script(town) == (1, "collected")
    page = student_reads(town)
    assert page.count("is asked which one to mark") == 2  # of version 3, and of any that may come
    assert "you handed in again before the answer" in page
    listed = town.get("/api/v1/later-versions", "tutor", TUTOR).json()
    assert [(each["submission_id"], each["version"]) for each in listed["questions"]] == [(third, 3)]
    assert answer(town, third, "keep").status_code == 200
    town.settle()
    assert told(town)["version_question"] == 2
    assert town.audit().violations == []


def test_the_other_answer_from_another_window_is_a_conflict_that_names_the_first(town: Town) -> None:
    collected(town)
    submission_id = hand_in_again(town)
    assert answer(town, submission_id, "keep").status_code == 200
    contrary = answer(town, submission_id, "take")
    assert (contrary.status_code, contrary.json()["code"]) == (409, "question_answered")
    assert "You chose to keep version 1" in contrary.json()["detail"]
    town.settle()
    assert (script(town), told(town)["later_version_declined"]) == ((1, "collected"), 1)
    assert town.audit().violations == []


def test_a_question_is_the_tutors_own(town: Town) -> None:
    collected(town)
    submission_id = hand_in_again(town)
    for path in (f"/api/v1/later-versions/{submission_id}", f"/tutor/later-versions/{submission_id}"):
        assert town.get(path, "tutor", OTHER_TUTOR).status_code == 404
        assert town.get(path, "student", ANN).status_code == 403
        assert town.get(path, "operations", OPERATOR).status_code == 403
        assert town.get(path, "tutor", TUTOR).status_code == 200
    assert answer(town, submission_id, "take", tutor=OTHER_TUTOR).status_code == 404
    assert answer(town, "no-such-submission", "take").status_code == 404
    assert town.get("/api/v1/later-versions", "tutor", OTHER_TUTOR).json()["questions"] == []
    assert town.get(f"/receipts/{submission_id}", "student", BEN).status_code == 404
    assert questions(town) == [(2, "open")]


@pytest.mark.parametrize("given", [{}, {"choice": "both"}, {"choice": ""}])
def test_an_answer_that_is_none_changes_nothing(town: Town, given: dict[str, str]) -> None:
    collected(town)
    submission_id = hand_in_again(town)
    headers = town.token("tutor", TUTOR)
    path = f"/api/v1/later-versions/{submission_id}/answer"
    assert town.client.post(path, json=given, headers=headers).status_code == 422
    page = town.client.post(f"/tutor/later-versions/{submission_id}", data=given, headers=headers)
    assert (page.status_code, questions(town)) == (422, [(2, "open")])


def test_a_tutor_finds_the_question_in_the_work_list_and_answers_it_by_the_page(town: Town) -> None:
    work_id = collected(town)
    assert "later version" not in words_of(town.get("/tutor", "tutor", TUTOR).text)
    submission_id = hand_in_again(town)
    assert "1 later version waits for your answer" in words_of(town.get("/tutor", "tutor", TUTOR).text)
    listed = words_of(town.get("/tutor/later-versions", "tutor", TUTOR).text)
    for words in ("Ann", TMA, "Version 1, collected", "Version 2, arrived", "On time"):
        assert words in listed
    (inbox, *_) = town.get("/api/v1/inbox", "tutor", TUTOR).json()["items"]
    assert (inbox["purpose"], inbox["path"]) == ("version_question", f"/tutor/later-versions/{submission_id}")
    assert "do you take version 2?" in words_of(town.get(f"/tutor/scripts/{work_id}", "tutor", TUTOR).text)
    headers = town.token("tutor", TUTOR)
    done = town.client.post(inbox["path"], data={"choice": "take"}, headers=headers)
    assert (done.status_code, done.headers["location"]) == (303, inbox["path"])
    assert "You took version 2 on" in words_of(town.get(inbox["path"], "tutor", TUTOR).text)
    assert "No later version waits" in words_of(town.get("/tutor/later-versions", "tutor", TUTOR).text)
    page = words_of(town.get(f"/tutor/scripts/{work_id}", "tutor", TUTOR).text)
    assert "You took version 2 after you had collected an earlier one" in page
    contrary = town.client.post(inbox["path"], data={"choice": "keep"}, headers=headers)
    assert (contrary.status_code, "That is final" in contrary.text) == (409, True)


def test_operations_see_a_script_go_back_to_be_collected(town: Town) -> None:
    collected(town)
    answer(town, hand_in_again(town), "take")
    town.settle()
    pipeline = town.get("/api/v1/operations/pipeline", "operations", OPERATOR).json()
    counts = {stage["stage"]: stage["count"] for stage in pipeline["stages"]}
    assert (counts["allocated"], counts["collected"]) == (1, 0)
