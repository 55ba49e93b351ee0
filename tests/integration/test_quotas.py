"""How much one student may hand in for one assignment: the same by every channel, and told before it is met."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from shared.settings import Settings, load_settings
from tests.support.university import ANN, BEN, PDF, TMA, Town, running_town
from tests.support.uploading import BYTES, PROTOCOL, metadata_of

MOST_BYTES = 1000
HandIn = Callable[[Town, bytes], httpx.Response]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path, quota_versions=3, quota_bytes=MOST_BYTES, quota_uploads=4) as town:
        yield town


def by_api(town: Town, content: bytes) -> httpx.Response:
    return town.hand_in(ANN, content=content)


def by_form(town: Town, content: bytes) -> httpx.Response:
    town.client.cookies.clear()
    town.client.post("/sign-in", data={"identifier": ANN, "role": "student"})
    page = town.client.get(f"/assignments/{TMA}").text
    token = page.partition("csrf_token=")[2].partition("&")[0] or form_token_in(town)
    address = f"/assignments/{TMA}?csrf_token={token}&key={uuid.uuid4()}"
    answer = town.client.post(address, files={"file": ("a.pdf", content, "application/pdf")})
    town.client.cookies.clear()
    return answer


def form_token_in(town: Town) -> str:
    """Of the page's sign-out button, where there is no form to hand in."""
    page = town.client.get("/work").text
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


def by_upload(town: Town, content: bytes) -> httpx.Response:
    begun = begin(town, content)
    if begun.status_code != 201:
        return begun
    path = begun.headers["location"]
    sent = {"upload-offset": "0", **PROTOCOL, **BYTES, **town.token("student", ANN)}
    assert town.client.patch(path, content=content, headers=sent).status_code == 204
    return town.client.post(f"{path}/confirm", headers=town.token("student", ANN))


def begin(town: Town, content: bytes) -> httpx.Response:
    said = {"upload-length": str(len(content)), "upload-metadata": metadata_of(assignment=TMA, filename="a.pdf")}
    return town.client.post("/api/v1/uploads", headers={**PROTOCOL, **said, **town.token("student", ANN)})


CHANNELS = pytest.mark.parametrize("channel", [by_api, by_form, by_upload])


def versions(town: Town) -> list[dict[str, object]]:
    return [row for row in town.rows("submission", "versions") if row["assignment_id"] == TMA]


@CHANNELS
def test_so_many_versions_are_kept_and_the_next_is_refused(town: Town, channel: HandIn) -> None:
    assert all(town.hand_in(ANN).status_code == 201 for _ in range(2))
    assert channel(town, PDF).status_code in {201, 303}
    refused = channel(town, PDF)
    assert refused.status_code == 409
    assert "You have handed in 3 of 3 versions. Everything you handed in is kept." in refused.text
    assert "ask your student support team" in refused.text
    assert len(versions(town)) == 3


@CHANNELS
def test_so_many_bytes_are_kept_and_more_are_refused(town: Town, channel: HandIn) -> None:
    head = b"%PDF-1.4\n"
    assert channel(town, head + bytes(MOST_BYTES - len(head) - len(PDF))).status_code in {201, 303}
    assert channel(town, PDF + b"!").status_code == 409
    assert channel(town, PDF).status_code in {201, 303}
    assert sum(int(str(row["size_bytes"])) for row in versions(town)) == MOST_BYTES


def test_a_program_is_told_by_code(town: Town) -> None:
    for _ in range(3):
        town.hand_in(ANN)
    problem = town.hand_in(ANN).json()
    assert (problem["status"], problem["code"], problem["reason"]) == (409, "refused_quota", "quota")


def test_a_retry_of_what_was_handed_in_gets_its_receipt_though_nothing_more_may_come(town: Town) -> None:
    first = town.hand_in(ANN, key="the-first-of-three").json()
    for _ in range(2):
        town.hand_in(ANN)
    assert town.hand_in(ANN).status_code == 409
    assert town.hand_in(ANN, key="the-first-of-three").json() == first


def test_one_student_takes_nothing_from_another(town: Town) -> None:
    for _ in range(4):
        town.hand_in(ANN)
    assert town.hand_in(BEN).status_code == 201


def test_of_two_uploads_for_one_place_one_is_handed_in_and_the_other_waits(town: Town) -> None:
    for _ in range(2):
        town.hand_in(ANN)
    who = town.token("student", ANN)
    paths = [begin(town, PDF).headers["location"] for _ in range(2)]
    for path in paths:
        sent = {"upload-offset": "0", **PROTOCOL, **BYTES, **who}
        assert town.client.patch(path, content=PDF, headers=sent).status_code == 204
    answers = [town.client.post(f"{path}/confirm", headers=who) for path in paths]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert town.client.get(paths[1], headers=who).json()["state"] == "ready"
    assert len(versions(town)) == 3


def test_who_has_begun_too_many_sees_them_and_may_delete_one(town: Town) -> None:
    paths = [begin(town, PDF).headers["location"] for _ in range(4)]
    assert begin(town, PDF).status_code == 429
    town.client.post("/sign-in", data={"identifier": ANN, "role": "student"})
    page = town.client.get(f"/assignments/{TMA}").text
    assert page.count("Choose the same file again to go on") == page.count(">Delete this upload</button>") == 4
    token = page.partition("csrf_token=")[2].partition("&")[0]
    address = f"/uploads/{paths[0].rpartition('/')[2]}/end"
    assert town.client.post(address, params={"csrf_token": "nobody's"}).status_code == 403
    ended = town.client.post(address, params={"csrf_token": token})
    assert (ended.status_code, ended.headers["location"]) == (303, f"/assignments/{TMA}")
    again = town.client.post(address, params={"csrf_token": token})
    assert (again.status_code, "deleted" in again.text) == (410, True)
    town.client.cookies.clear()
    assert begin(town, PDF).status_code == 201


def test_a_refusal_is_recorded_told_and_leaves_nothing_behind(town: Town) -> None:
    for _ in range(4):
        town.hand_in(ANN)
    (refusal,) = town.rows("submission", "refusals")
    assert refusal["reason"] == "quota"
    town.settle()
    mails = [row for row in town.rows("notifier", "obligations") if row["purpose"] == "refused"]
    assert len(mails) == 1
    assert len(list(town.system.platform.objects.walk())) == 3
    assert town.audit().violations == []


def test_the_page_says_how_much_is_used_before_anything_is_sent(town: Town) -> None:
    who = town.token("student", ANN)
    town.hand_in(ANN)
    page = town.client.get(f"/assignments/{TMA}", headers=who).text
    assert f"1 of 3 handed in, {len(PDF)} bytes of 1000 bytes; all are kept" in page
    assert ">Hand in</button>" in page
    for _ in range(2):
        town.hand_in(ANN)
    page = town.client.get(f"/assignments/{TMA}", headers=who).text
    assert "<strong>You have handed in 3 of 3 versions." in page
    assert ">Hand in</button>" not in page


def test_so_many_uploads_may_be_under_way(town: Town) -> None:
    answers = [begin(town, PDF) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 4 + [429]
    assert answers[4].json()["code"] == "too_many_uploads"


def test_a_student_who_hands_in_often_does_not_meet_what_is_usual() -> None:
    usual: Settings = load_settings()
    assert (usual.quota_versions, usual.quota_uploads) == (100, 20)
    assert usual.quota_bytes >= 20 * 1024**3
