"""More time, through the running system: asked for, answered, told, ruled on by it, and shown to both sides."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx2 as httpx
import pytest

from services.intake.catalogue import take_in
from services.intake.enrolments import EnrolmentIntake
from services.submission.catalogue.university import GroupEntry, StaffEntry, University
from shared.persons import PersonKeeper
from tests.support.browsers import Browser
from tests.support.university import (
    ANN,
    BEN,
    OTHER_TUTOR,
    PDF,
    TMA,
    TUTOR,
    Town,
    running_town,
    small_university,
    time_today,
    university_due,
)

SUPPORTER = "00000010"
SUE = StaffEntry(staff_number=SUPPORTER, name="Sue", email="sue@example.org", roles=("support",))


def due(*, days: int) -> University:
    """The small university with somebody of student support."""
    usual = university_due(days=days)
    return usual.model_copy(update={"staff": (*usual.staff, SUE)})


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path, due(days=1), support_mail="support@example.org") as town:
        yield town


def day(days: int) -> str:
    return (time_today() + timedelta(days=days)).isoformat()


def ask(town: Town, *, days: int, person: str = ANN, words: str = "please") -> httpx.Response:
    return town.client.post(
        f"/api/v1/assignments/{TMA}/requests",
        json={"day": day(days), "reason": "illness", "words": words},
        headers=town.token("student", person),
    )


def answer(town: Town, request: dict[str, object], move: str, role: str, person: str, **given: str) -> httpx.Response:
    return town.client.post(
        f"/api/v1/requests/{request['request_id']}/answers",
        json={"move": move, "revision": request["revision"], **given},
        headers=town.token(role, person),
    )


def subjects(town: Town, role: str, person: str) -> list[str]:
    """Of all messages to somebody, the latest first."""
    return [message["subject"] for message in town.get("/api/v1/inbox", role, person).json()["items"]]


def bands(town: Town) -> list[tuple[object, object, object]]:
    rows = town.rows("submission", "corrections")
    return [(row["band_before"], row["band"], row["reason"]) for row in rows]


def test_more_time_is_asked_for_and_agreed_and_both_are_told_once(town: Town) -> None:
    made = ask(town, days=8)
    assert made.status_code == 201
    town.settle()
    assert subjects(town, "tutor", TUTOR)[0].startswith("A student asks for more time")
    (seen,) = town.get("/api/v1/requests", "tutor", TUTOR).json()["requests"]
    assert (seen["student"], seen["moves"]) == ("Ann", ["agree", "counter", "decline"])
    agreed = answer(town, seen, "agree", "tutor", TUTOR)
    assert (agreed.status_code, agreed.json()["state"]) == (200, "agreed")
    town.settle()
    told = [subject for subject in subjects(town, "student", ANN) if "agreed" in subject]
    assert len(told) == 1
    assert town.audit().violations == []


def test_late_work_waits_for_the_answer_and_is_in_time_when_it_is_yes(town: Town) -> None:
    made = ask(town, days=8).json()
    take_in(town.system, due(days=-3))
    handed_in = town.hand_in(ANN)
    receipt = f"/receipts/{handed_in.json()['submission_id']}"
    assert "Late, until your request for more time is answered" in town.get(receipt, "student", ANN).text
    assert (handed_in.status_code, handed_in.json()["band"]) == (201, "late")
    assert town.hand_in(BEN).status_code == 409
    town.settle()
    answer(town, made, "agree", "tutor", TUTOR)
    town.settle()
    assert bands(town) == [("late", "on_time", "more_time")]
    assert "On time: the cut-off was moved" in town.get(receipt, "student", ANN).text
    assert "Ruling changed" in subjects(town, "student", ANN)[0] + subjects(town, "student", ANN)[1]
    assert town.audit().violations == []


@pytest.mark.parametrize(("move", "role", "person"), [("decline", "tutor", TUTOR), ("withdraw", "student", ANN)])
def test_late_work_is_refused_after_all_when_there_is_no_agreement(
    town: Town, move: str, role: str, person: str
) -> None:
    made = ask(town, days=8).json()
    take_in(town.system, due(days=-3))
    receipt = town.hand_in(ANN).json()["receipt"]
    answer(town, made, move, role, person, words="I am sorry")
    town.settle()
    assert bands(town) == [("late", "refused", "no_more_time")]
    assert town.hand_in(ANN, content=PDF + b"2").status_code == 409
    town.settle()
    page = town.client.post("/verify", data={"receipt": receipt}).text
    assert "This receipt is genuine" in page
    assert town.audit().violations == []


def test_work_in_time_is_left_alone_whatever_is_answered(town: Town) -> None:
    made = ask(town, days=8).json()
    town.hand_in(ANN)
    answer(town, made, "decline", "tutor", TUTOR, words="no")
    town.settle()
    assert bands(town) == []
    assert town.audit().violations == []


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"days": 1}, 422, "later than the cut-off"),
        ({"days": 40}, 422, "latest day that can be agreed"),
        ({"days": 8, "words": "x" * 2001}, 422, "at most 2000"),
        ({"days": 8, "person": "P1000003"}, 201, ""),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_words(
    town: Town, given: dict[str, object], status: int, words: str
) -> None:
    refused = ask(town, **given)  # type: ignore[arg-type]
    assert (refused.status_code, words in refused.text) == (status, True)


def test_a_bad_move_says_what_is_possible(town: Town) -> None:
    made = ask(town, days=8).json()
    for move, revision, status, code in (
        ("agree", 1, 409, "not_your_move"),
        ("agree", 7, 409, "stale_answer"),
        ("withdraw", 1, 200, None),
        ("counter", 1, 409, "request_closed"),
    ):
        answered = answer(town, made | {"revision": revision}, move, "student", ANN, day=day(9))
        assert (answered.status_code, answered.json().get("code")) == (status, code)


def test_others_do_not_know_of_it(town: Town) -> None:
    made = ask(town, days=8).json()
    for role, person in (("student", BEN), ("tutor", OTHER_TUTOR), ("support", SUPPORTER)):
        expected = 200 if role == "support" else 404
        assert town.get(f"/api/v1/requests/{made['request_id']}", role, person).status_code == expected
        assert answer(town, made, "decline", role, person, words="no").status_code in {404, 409}
    assert town.get(f"/api/v1/requests/{made['request_id']}", "student", ANN).json()["state"] == "proposed"


def test_the_conversation_goes_by_forms(town: Town) -> None:
    ann, tess = Browser(town, "student", ANN), Browser(town, "tutor", TUTOR)
    page = f"/assignments/{TMA}/more-time"
    for typed, words in (({"day": day(8)}, "Choose what comes nearest."), ({"reason": "illness"}, "Choose a day.")):
        empty = ann.send(page, page, words="I was ill", **typed)
        assert (empty.status_code, words in empty.text, "I was ill" in empty.text) == (422, True, True)
    sent = ann.send(page, page, day=day(8), reason="illness", words="I was <b>ill</b>")
    conversation = sent.headers["location"]
    town.settle()
    assert conversation in tess.get("/requests").text
    assert "I was &lt;b&gt;ill&lt;/b&gt;" in tess.get(conversation).text
    wordless = tess.send(conversation, conversation, move="decline", revision="1")
    assert (wordless.status_code, "Say why in a few words" in wordless.text) == (422, True)
    tess.send(conversation, conversation, move="counter", revision="1", day=day(5), words="Is this enough?")
    stale = ann.send(conversation, conversation, move="withdraw", revision="1")
    assert (stale.status_code, "There is another proposal by now" in stale.text) == (409, True)
    ann.send(conversation, conversation, move="agree", revision="2")
    assert "Agreed" in ann.get(conversation).text
    assert "Your agreed cut-off" in ann.get(f"/assignments/{TMA}").text
    assert "Your agreed cut-off" in ann.get("/work").text


def test_who_leaves_takes_their_words_along(town: Town) -> None:
    made = ask(town, days=8, words="my secret").json()
    keeper: PersonKeeper = town.system.submission.service.persons  # type: ignore[assignment]
    with town.system.submission.database.reading() as connection:
        held = list(keeper.keeps.holds(person_of(town, ANN), connection, now=town.system.platform.clock.now()))
    assert "a request for more time is open" in held
    answer(town, made, "withdraw", "student", ANN)
    assert "my secret" in str(list(keeper.rows(person_of(town, ANN))))
    with town.system.submission.database.transaction() as tx:
        keeper.keeps.forget([person_of(town, ANN)], tx)
    left = str(list(keeper.rows(person_of(town, ANN))))
    assert [words for words in ("my secret", "illness", "erased_at", "'name'") if words in left] == ["erased_at"]


def test_what_is_open_stands_before_what_has_ended(town: Town) -> None:
    take_in(town.system, small_university(groups=[GroupEntry(number="G01", tutor=TUTOR, students=(ANN, BEN))]))
    first, second = ask(town, days=25).json(), ask(town, days=26, person=BEN).json()
    answer(town, second, "withdraw", "student", BEN)
    listed = town.get("/api/v1/requests", "tutor", TUTOR).json()["requests"]
    assert [line["request_id"] for line in listed] == [first["request_id"], second["request_id"]]


def test_a_student_who_moves_by_a_file_of_enrolments_takes_the_request_along(town: Town) -> None:
    made = ask(town, days=8).json()
    file = f"module,presentation,personal_id,name,email,status,group,tutor\nK827,26J,{ANN},,,active,G02,{OTHER_TUTOR}\n"
    intake = EnrolmentIntake(town.system, dry_run=False, on_progress=lambda _part, _more: None)
    intake.run(io.BytesIO(file.encode()))
    town.settle()
    assert town.get(f"/api/v1/requests/{made['request_id']}", "tutor", TUTOR).status_code == 404
    assert town.get(f"/api/v1/requests/{made['request_id']}", "tutor", OTHER_TUTOR).status_code == 200
    assert subjects(town, "tutor", OTHER_TUTOR)[0].startswith("A student asks for more time")
    assert town.audit().violations == []


def test_where_marking_is_anonymous_the_tutor_does_not_learn_who_asks(tmp_path: Path) -> None:
    usual = due(days=1)
    (module,) = usual.modules
    (presentation,) = module.presentations
    hidden = tuple(each.model_copy(update={"anonymous": True}) for each in presentation.assignments)
    module = module.model_copy(update={"presentations": (presentation.model_copy(update={"assignments": hidden}),)})
    with running_town(tmp_path, usual.model_copy(update={"modules": (module,)})) as town:
        made = ask(town, days=8).json()
        town.settle()
        for role, person, known in (("tutor", TUTOR, False), ("student", ANN, True)):
            page = town.get(f"/requests/{made['request_id']}", role, person).text
            line = town.get(f"/api/v1/requests/{made['request_id']}", role, person).json()
            assert (line["student"] == "Ann", line["words"][0]["name"] == "Ann") == (known, known)
            assert "Ann" not in page


def person_of(town: Town, number: str) -> str:
    with town.system.identity.database.reading() as connection:
        found: str = town.system.identity.role_views.person(connection, number).person_ref
    return found


def test_one_day_is_a_day_of_the_calendar(town: Town) -> None:
    refused = town.client.post(
        f"/api/v1/assignments/{TMA}/requests",
        json={"day": str(date.max), "reason": "illness"},
        headers=town.token("student", ANN),
    )
    assert refused.status_code == 422
