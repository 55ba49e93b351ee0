"""The whole line: a student hands in, a receipt proves it, a tutor is told, an audit agrees."""

from __future__ import annotations

import json
import re

import httpx2 as httpx
import jwt
import pytest
import structlog
from jwcrypto import jwk
from jwcrypto.jws import JWS
from jwt.algorithms import OKPAlgorithm

from services.intake.catalogue import take_in
from services.submission.catalogue.university import GroupEntry, StudentEntry, University
from tests.support.university import (
    ANN,
    BEN,
    CY,
    OPERATOR,
    OTHER_TUTOR,
    PAPER,
    PAST,
    PDF,
    TMA,
    TUTOR,
    Town,
    small_university,
)


def test_work_goes_from_the_student_to_the_tutor_and_everybody_is_told(town: Town) -> None:
    accepted = town.hand_in(ANN)
    assert accepted.status_code == 201
    assert (accepted.json()["version"], accepted.json()["band"]) == (1, "on_time")
    town.settle()
    (script,) = town.get("/api/v1/scripts", "tutor", TUTOR).json()["scripts"]
    assert (script["work_id"], script["student"], script["state"]) == (accepted.json()["work_id"], "Ann", "allocated")
    purposes = sorted(str(row["purpose"]) for row in town.rows("notifier", "obligations"))
    assert purposes == ["new_script", "receipt"]
    assert {row["state"] for row in town.rows("notifier", "deliveries")} == {"sent"}
    assert town.audit().violations == []


def test_a_retry_with_the_same_key_gets_the_same_receipt(town: Town) -> None:
    first = town.hand_in(ANN, key="one-key-for-both")
    again = town.hand_in(ANN, key="one-key-for-both")
    assert again.json() == first.json()
    town.settle()
    assert len(town.rows("submission", "versions")) == 1
    assert town.audit().violations == []


def test_a_key_used_again_for_other_content_is_refused(town: Town) -> None:
    town.hand_in(ANN, key="one-key-for-both")
    other = town.hand_in(ANN, key="one-key-for-both", content=PDF + b"more")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_without_a_key_nothing_is_taken(town: Town) -> None:
    path = f"/api/v1/assignments/{TMA}/submissions"
    answer = town.client.post(path, files={"file": ("a.pdf", PDF)}, headers=town.token("student", ANN))
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


def test_a_later_version_replaces_the_first_until_the_tutor_collects(town: Town) -> None:
    work_id = town.hand_in(ANN).json()["work_id"]
    town.hand_in(ANN, content=PDF + b"second")
    town.settle()
    collected = town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR)
    assert collected.status_code == 200
    content = town.get(f"/api/v1/scripts/{work_id}/content", "tutor", TUTOR)
    assert content.content == PDF + b"second"
    assert town.hand_in(ANN, content=PDF + b"third").json()["version"] == 3
    town.settle()
    rulings = [(row["version"], row["ruling"]) for row in town.rows("marking", "rulings")]
    assert rulings == [(1, "taken"), (2, "taken"), (3, "not_taken")]
    purposes = [str(row["purpose"]) for row in town.rows("notifier", "obligations")]
    assert purposes.count("version_not_taken") == purposes.count("version_question") == 1
    assert town.get(f"/api/v1/scripts/{work_id}/content", "tutor", TUTOR).content == PDF + b"second"
    assert town.audit().violations == []


def test_collecting_twice_says_it_once(town: Town) -> None:
    work_id = town.hand_in(ANN).json()["work_id"]
    town.settle()
    for _ in range(2):
        town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR)
    collected = [row for row in town.rows("marking", "outbox") if str(row["type"]).endswith("ScriptCollected.v1")]
    assert len(collected) == 1


@pytest.mark.parametrize("town", ["embedded"], indirect=True)
def test_a_script_whose_file_is_gone_is_not_collected_and_operations_see_it(town: Town) -> None:
    work_id = town.hand_in(ANN).json()["work_id"]
    town.settle()
    (entry,) = town.system.platform.objects.walk()
    town.system.platform.objects.delete(entry.key, entry.version)
    with structlog.testing.capture_logs() as logs:
        answer = town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR)
        page = town.post(f"/tutor/scripts/{work_id}/collect", "tutor", TUTOR)
    assert (answer.status_code, answer.json()["code"]) == (500, "object_missing")
    assert "nothing was changed" in answer.json()["detail"]
    assert (page.status_code, "nothing was changed" in page.text) == (500, True)
    assert [entry["log_level"] for entry in logs if entry["event"] == "script.object_missing"] == ["error"] * 2
    assert town.rows("marking", "scripts")[0]["state"] == "allocated"
    assert [violation.code for violation in town.audit().violations] == ["object_missing"]


def test_content_before_collection_is_a_clear_conflict(town: Town) -> None:
    work_id = town.hand_in(ANN).json()["work_id"]
    town.settle()
    answer = town.get(f"/api/v1/scripts/{work_id}/content", "tutor", TUTOR)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_collected")


def test_work_of_a_student_without_a_group_waits_and_goes_on_when_the_group_is_known(town: Town) -> None:
    town.hand_in(CY)
    town.settle()
    (script,) = town.rows("marking", "scripts")
    assert (script["state"], script["waits_for"]) == ("held", "group")
    groups = [GroupEntry(number="G02", tutor=OTHER_TUTOR, students=(BEN, CY))]
    take_in(town.system, small_university(groups=groups))
    town.settle()
    (script,) = town.rows("marking", "scripts")
    assert script["state"] == "allocated"
    assert len(town.get("/api/v1/scripts", "tutor", OTHER_TUTOR).json()["scripts"]) == 1
    assert town.audit().violations == []


def test_a_script_that_leaves_its_tutor_for_nobody_is_told_to_the_tutor(town: Town) -> None:
    town.hand_in(ANN)
    town.settle()
    take_in(town.system, small_university(groups=[GroupEntry(number="G01", tutor=TUTOR, students=())]))
    town.settle()
    assert town.rows("marking", "scripts")[0]["state"] == "held"
    inbox = town.get("/api/v1/inbox", "tutor", TUTOR).json()["items"]
    assert [item["purpose"] for item in inbox] == ["script_moved", "new_script"]
    assert town.audit().violations == []


@pytest.mark.parametrize(
    ("content", "assignment", "name", "status", "code"),
    [
        (b"", TMA, "a.pdf", 422, "refused_empty"),
        (b"\x7fELF" + bytes(100), TMA, "a.pdf", 415, "refused_wrong_type"),
        (PDF, TMA, "n" * 60 + ".pdf", 422, "refused_name_too_long"),
        (PDF, PAST, "a.pdf", 409, "refused_too_late"),
        (PDF, PAPER, "a.pdf", 409, "refused_paper_only"),
        (b"%PDF-1.4" + bytes(11 * 1024 * 1024), TMA, "a.pdf", 413, "refused_too_large"),
    ],
)
def test_what_cannot_be_handed_in_is_refused_recorded_and_told(
    town: Town, content: bytes, assignment: str, name: str, status: int, code: str
) -> None:
    answer = town.hand_in(ANN, content=content, assignment=assignment, name=name)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    town.settle()
    assert len(town.rows("submission", "refusals")) == 1
    assert [row["purpose"] for row in town.rows("notifier", "obligations")] == ["refused"]
    assert list(town.system.platform.objects.walk()) == []
    assert town.audit().violations == []


def test_a_refused_retry_is_answered_again_and_told_once(town: Town) -> None:
    first, again = (town.hand_in(ANN, content=b"\x7fELF" + bytes(100), key="one-key-for-both") for _ in range(2))
    assert (again.status_code, again.json()["detail"]) == (first.status_code, first.json()["detail"])
    town.settle()
    assert len(town.rows("submission", "refusals")) == 1
    assert [row["purpose"] for row in town.rows("notifier", "obligations")] == ["refused"]
    assert town.audit().violations == []


def test_a_key_that_was_refused_takes_another_file(town: Town) -> None:
    town.hand_in(ANN, content=b"", key="one-key-for-both")
    assert town.hand_in(ANN, key="one-key-for-both").json()["version"] == 1
    wrong = town.hand_in(ANN, content=b"\x7fELF" + bytes(100), key="one-key-for-both")
    assert (wrong.status_code, wrong.json()["code"]) == (415, "refused_wrong_type")
    town.settle()
    assert (len(town.rows("submission", "refusals")), len(town.rows("submission", "versions"))) == (1, 1)
    purposes = sorted(str(row["purpose"]) for row in town.rows("notifier", "obligations"))
    assert purposes == ["new_script", "receipt", "refused"]
    assert town.audit().violations == []


def test_keys_of_refusals_are_each_persons_own(town: Town) -> None:
    for person in (ANN, BEN):
        town.hand_in(person, content=b"", key="one-key-for-both")
    assert len(town.rows("submission", "refusals")) == 2


@pytest.mark.parametrize(
    ("assignment", "words"), [(PAST, "The time for handing in is over"), (PAPER, "is handed in on paper")]
)
def test_a_page_offers_no_form_where_nothing_can_be_handed_in(town: Town, assignment: str, words: str) -> None:
    page = town.get(f"/assignments/{assignment}", "student", ANN)
    assert (page.status_code, words in page.text, ">Hand in</button>" in page.text) == (200, True, False)
    assert ">Hand in</button>" in town.get(f"/assignments/{TMA}", "student", ANN).text


def test_a_file_whose_name_has_nothing_to_show_is_taken_and_called_unnamed(town: Town) -> None:
    accepted = town.hand_in(ANN, name="folder/").json()
    assert "<bdi>unnamed</bdi>" in town.get(f"/receipts/{accepted['submission_id']}", "student", ANN).text


def test_a_receipt_is_verified_by_two_other_libraries(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    receipt = town.get(f"/api/v1/submissions/{accepted['submission_id']}/receipt", "student", ANN).text.strip()
    assert receipt == accepted["receipt"]
    (public,) = town.client.get("/.well-known/jwks.json").json()["keys"]
    assert "d" not in public

    other = JWS()
    other.allowed_algs = ["Ed25519", "EdDSA"]
    other.deserialize(receipt, jwk.JWK.from_json(json.dumps(public)))
    assert json.loads(other.payload)["sha256"] == accepted["sha256"]

    registry = jwt.PyJWS()
    registry.register_algorithm("Ed25519", OKPAlgorithm())
    key = OKPAlgorithm.from_jwk(public)
    assert json.loads(registry.decode(receipt, key, algorithms=["Ed25519"]))["jti"] == accepted["receipt_id"]


@pytest.mark.parametrize(
    ("path", "role", "person", "status"),
    [
        ("/api/v1/scripts", "student", ANN, 403),
        ("/api/v1/operations/pipeline", "student", ANN, 403),
        ("/api/v1/operations/pipeline", "tutor", TUTOR, 403),
        ("/api/v1/operations/trail/x", "tutor", TUTOR, 403),
        ("/api/v1/submissions/{submission_id}/receipt", "student", BEN, 404),
        ("/api/v1/submissions/{submission_id}/receipt", "tutor", TUTOR, 403),
        ("/api/v1/submissions/{submission_id}/receipt.pdf", "student", BEN, 404),
        ("/api/v1/submissions/{submission_id}/receipt.pdf", "tutor", TUTOR, 403),
        ("/api/v1/scripts/{work_id}/content", "tutor", OTHER_TUTOR, 404),
        ("/receipts/{submission_id}", "student", BEN, 404),
        ("/tutor/scripts/{work_id}", "tutor", OTHER_TUTOR, 404),
        ("/work", "tutor", TUTOR, 403),
        ("/tutor", "operations", OPERATOR, 403),
        ("/tutor/later-versions", "student", ANN, 403),
        ("/api/v1/later-versions", "operations", OPERATOR, 403),
        ("/tutor/later-versions/{submission_id}", "tutor", TUTOR, 404),
        ("/operations", "student", ANN, 403),
    ],
)
def test_what_is_not_yours_is_denied(town: Town, path: str, role: str, person: str, status: int) -> None:
    accepted = town.hand_in(ANN).json()
    town.settle()
    assert town.get(path.format(**accepted), role, person).status_code == status


def test_nobody_collects_anothers_script(town: Town) -> None:
    work_id = town.hand_in(ANN).json()["work_id"]
    town.settle()
    assert town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", OTHER_TUTOR).status_code == 404
    assert town.rows("marking", "scripts")[0]["state"] == "allocated"


@pytest.mark.parametrize("path", ["/api/v1/scripts", "/api/v1/inbox", "/api/v1/operations/pipeline"])
def test_programs_without_a_token_are_told_so(town: Town, path: str) -> None:
    answer = town.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_an_assignment_of_another_module_is_not_there(town: Town) -> None:
    assert town.hand_in(ANN, assignment="X999-26J-TMA01").status_code == 404


def test_a_student_of_another_module_is_not_let_in(town: Town) -> None:
    stranger = StudentEntry(personal_id="P1000009", name="Dee")
    take_in(town.system, University(students=(stranger,)))
    answer = town.hand_in("P1000009")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_operations_see_the_pipeline_and_the_trail(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    town.settle()
    pipeline = town.get("/api/v1/operations/pipeline", "operations", OPERATOR).json()
    assert {stage["stage"]: stage["count"] for stage in pipeline["stages"]}["allocated"] == 1
    trail = town.get(f"/api/v1/operations/trail/{accepted['submission_id']}", "operations", OPERATOR)
    names = [event["type"].split(".")[-2] for event in trail.json()["events"]]
    assert names[0] == "SubmissionReceived"
    assert {"VersionTaken", "ScriptAllocated"} <= set(names)


def test_one_correlation_id_goes_from_the_request_to_the_delivery(town: Town) -> None:
    town.settle()  # a script that waits for its group is allocated by the group's fact, whose thread is another
    headers = {**town.token("student", ANN), "idempotency-key": "key-12345", "x-correlation-id": "my-own-thread"}
    town.client.post(f"/api/v1/assignments/{TMA}/submissions", files={"file": ("a.pdf", PDF)}, headers=headers)
    town.settle()
    trail = town.get("/api/v1/operations/trail/my-own-thread", "operations", OPERATOR).json()
    names = {event["type"].split(".")[-2] for event in trail["events"]}
    assert {"SubmissionReceived", "VersionTaken", "ScriptAllocated"} <= names


def collect(town: Town, work_id: str) -> None:
    town.settle()
    town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR)
    town.settle()


def words_of(page: str) -> str:
    """The text of the page's main part, without marks."""
    return " ".join(re.sub("<[^>]+>", " ", page.partition("<main")[2]).split())


def test_a_student_reads_which_version_the_tutor_has(town: Town) -> None:
    town.hand_in(ANN)
    work_id = town.hand_in(ANN, content=PDF + b"second").json()["work_id"]
    town.settle()
    home = words_of(town.get("/work", "student", ANN).text)
    assert ("Version 2, on time" in home, "Handed in" in home) == (True, True)
    assert "Waiting for your tutor to collect it" in words_of(town.get(f"/assignments/{TMA}", "student", ANN).text)
    collect(town, work_id)
    town.hand_in(ANN, content=PDF + b"third")
    town.settle()
    home = words_of(town.get("/work", "student", ANN).text)
    assert ("Version 2, on time" in home, "With your tutor" in home) == (True, True)
    assert "Version 3 came later: it is kept, and your tutor is asked which one to mark" in home
    page = words_of(town.get(f"/assignments/{TMA}", "student", ANN).text)
    third, second, first = (page.index(f"Version {number} :") for number in (3, 2, 1))
    assert "is asked which one to mark" in page[third:second]
    assert "With your tutor, who collected it on" in page[second:first]
    assert "replaced by a later version" in page[first:]


def hand_in_by_page(town: Town, *, content: bytes, key: str | None = "12345678") -> httpx.Response:
    headers = town.token("student", ANN)
    query = f"?key={key}" if key is not None else ""
    return town.client.post(f"/assignments/{TMA}{query}", files={"file": ("a.pdf", content)}, headers=headers)


def test_a_page_that_was_used_before_explains_itself_and_offers_a_new_form(town: Town) -> None:
    assert hand_in_by_page(town, content=PDF).status_code == 303
    assert hand_in_by_page(town, content=PDF).status_code == 303
    other = hand_in_by_page(town, content=PDF + b"other")
    words = words_of(other.text)
    assert (other.status_code, "Idempotency" in words) == (422, False)
    assert "This page was used before to hand in another file" in words
    (address,) = re.findall(r'action="(/assignments/[^"]+)"', other.text)
    again = town.client.post(
        address.replace("&amp;", "&"), files={"file": ("a.pdf", PDF)}, headers=town.token("student", ANN)
    )
    assert again.status_code == 303
    assert len(town.rows("submission", "versions")) == 2


def test_a_page_without_a_key_hands_nothing_in(town: Town) -> None:
    assert hand_in_by_page(town, content=PDF, key=None).status_code == 422
    assert hand_in_by_page(town, content=PDF, key="").status_code == 422
    assert town.rows("submission", "versions") == []


def test_a_file_larger_than_any_form_is_handed_in_by_the_page(town: Town) -> None:
    assert hand_in_by_page(town, content=PDF + bytes(1024 * 1024)).status_code == 303
