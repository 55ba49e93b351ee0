"""Erasing a person: nothing is left of who they were, the proofs hold, and nothing that is under way is broken."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog

from services.identity.erasure.domain import BadReason, Held
from services.intake.catalogue import take_in
from services.marking.tutors.store import person_table
from services.notifier.deliveries.store import deliveries
from services.persons.erasing import Erasing
from services.submission.submissions.domain import Attempt
from services.submission.submissions.store import version_table
from services.tools import person_tools_of
from shared.contracts import Channel
from shared.errors import NotFound
from shared.messaging.bus import partition_of
from shared.messaging.tables import erased_person
from tests.support.persons import ADDRESS, CONTENT, FILE_NAME, NAME, ZEB, recorded, ref_of, traces_under, university
from tests.support.university import ANN, TMA, TUTOR, Town, running_town
from tests.support.uploading import PROTOCOL, UPLOADS, metadata_of

SECONDS = 60
ACTOR = "command-line:tests"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Town, Path]]:
    """A town where nothing is held beyond the last cut-off, and its folder."""
    with running_town(tmp_path, university(), kept_days=0) as town:
        yield town, tmp_path / "var"


@pytest.fixture
def town(place: tuple[Town, Path]) -> Town:
    return place[0]


def erasing_in(town: Town) -> Erasing:
    return person_tools_of(town.system).erasing


def hand_in(town: Town) -> str:
    answer = town.hand_in(ZEB, content=CONTENT, name=FILE_NAME)
    assert answer.status_code == 201, answer.text
    town.settle()
    return str(answer.json()["work_id"])


def begin_upload(town: Town) -> str:
    """The address of a new upload that can be resumed."""
    said = {"upload-length": "1000", "upload-metadata": metadata_of(assignment=TMA, filename=FILE_NAME)}
    answer = town.client.post(UPLOADS, headers={**PROTOCOL, **said, **town.token("student", ZEB)})
    assert answer.status_code == 201, answer.text
    path: str = answer.headers["location"]
    return path


def collect(town: Town, work_id: str) -> None:
    assert town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", TUTOR).status_code == 200
    town.settle()


def end_presentation(town: Town) -> None:
    take_in(town.system, university(over=True))
    town.settle()


def erase(town: Town, person_ref: str) -> None:
    erasing = erasing_in(town)
    erasing.erase(person_ref, reason="asked for it", actor=ACTOR)
    assert erasing.wait(person_ref, seconds=SECONDS), erasing.progress(person_ref)
    wait_for_the_bus(town, person_ref)


def wait_for_the_bus(town: Town, person_ref: str) -> None:
    deadline = time.monotonic() + SECONDS
    while any(record.value for record in records_of(town, person_ref)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    town.settle()


def records_of(town: Town, person_ref: str) -> list[object]:
    topic = "etma.person.v1"
    partition = partition_of(person_ref, town.bus.partitions(topic))
    return [each for each in town.bus.read(topic, partition, offset=0, limit=1000) if each.key == person_ref]


def bury(town: Town, person_ref: str) -> None:
    """Bring a fact about the person that nobody can read: each consumer buries it."""
    town.bus.append([recorded(person_ref, value=f'{{"name": "{NAME}", "personal_id": "{ZEB}"'.encode())])
    town.settle()


def discard_letters(town: Town) -> int:
    found = [(letters, one.id) for letters in town.system.dead_letters().values() for one in letters.list()]
    for letters, number in found:
        letters.discard(number, "nobody can read it", actor=ACTOR)
    return len(found)


def test_nothing_is_left_of_who_they_were(place: tuple[Town, Path]) -> None:
    town, folder = place
    with structlog.testing.capture_logs() as logged:
        live_and_be_erased(town, folder)
    said = "".join(f"{entry}{traceback_of(entry)}" for entry in logged)
    assert not [word for word in (NAME, ZEB, ADDRESS, FILE_NAME) if word in said]
    assert {entry["event"] for entry in logged} >= {"consumer.buried", "persons.cleared", "delivery.sent"}
    assert list(traces_under(folder)) == []
    assert town.audit().violations == []


def live_and_be_erased(town: Town, folder: Path) -> None:
    """Hand in, be told, be marked, looked at and buried, and then go."""
    person_ref = ref_of(town, ZEB)
    work_id = hand_in(town)
    chosen = town.client.put("/api/v1/preferences", json={"way": "daily"}, headers=town.token("student", ZEB))
    assert chosen.status_code == 200
    town.client.delete(begin_upload(town), headers={**PROTOCOL, **town.token("student", ZEB)})
    collect(town, work_id)
    town.system.identity.person_desk.looked(person_ref, what="submissions", actor="support:somebody")
    bury(town, person_ref)
    assert discard_letters(town) >= 3
    end_presentation(town)
    assert len(list(traces_under(folder))) > 10

    erase(town, person_ref)
    assert "preference" not in {row["kind"] for row in town.system.notifier.service.persons.rows(person_ref)}


def traceback_of(entry: Mapping[str, object]) -> str:
    error = entry.get("exc_info")
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""


def test_what_comes_late_or_again_brings_nobody_back(place: tuple[Town, Path]) -> None:
    town, folder = place
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    erase(town, person_ref)
    town.bus.append([recorded(person_ref, revision=9, sequence=9)])
    town.settle()
    for service in ("marking", "notifier"):
        assert person_ref not in {row["person_ref"] for row in town.rows(service, "persons")}
    assert not [where for where in traces_under(folder) if not where.startswith("bus.db")]


def test_the_audit_excuses_nothing_but_what_was_erased(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    collect(town, hand_in(town))
    town.hand_in(ANN, name="ann.pdf")
    end_presentation(town)
    erase(town, person_ref)
    assert town.audit().counts["persons_erased"] == 1
    (anns,) = town.system.platform.objects.walk()
    town.system.platform.objects.delete(anns.key, anns.version)
    known = {"person_ref": person_ref, "revision": 1, "name": "somebody", "personal_id": None}
    change(town, "marking", sa.insert(person_table).values(known))
    change(town, "notifier", sa.delete(erased_person))
    unsaid = {"person_ref": ref_of(town, ANN), "erased_at": town.system.platform.clock.now(), "erased_by": "nobody"}
    change(town, "submission", sa.insert(erased_person).values(unsaid))
    found = {(each.code, each.detail) for each in town.audit().violations}
    assert found == {
        ("object_missing", "the version's object is not in the store"),
        ("state_differs", "nothing in an outbox or the trail announced it"),
        ("state_differs", "the person was erased, and it does not know"),
        ("state_differs", "nobody said that the person was erased"),
    }


def change(town: Town, name: str, statement: sa.Executable) -> None:
    (service,) = [service for service in town.system.services if service.name == name]
    with service.database.transaction() as tx:
        tx.connection.execute(statement)


def test_who_is_erased_hands_nothing_in_any_more(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    token = town.token("student", ZEB)
    end_presentation(town)
    erase(town, person_ref)
    attempt = Attempt(
        assignment_id=TMA,
        person_ref=person_ref,
        submitted_by=person_ref,
        channel=Channel.API,
        idempotency_key="k",
        started_at=town.system.platform.clock.now(),
    )
    with pytest.raises(NotFound):
        town.system.submission.hand_in.admit(attempt)
    path = f"/api/v1/assignments/{TMA}/submissions"
    assert town.client.post(path, headers={**token, "idempotency-key": "k"}).status_code == 401


def test_an_import_makes_them_somebody_else(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    erase(town, person_ref)
    with pytest.raises(NotFound):
        ref_of(town, ZEB)
    assert ref_of(town, person_ref) == person_ref


def test_erasing_again_changes_nothing_and_says_it_again(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    erase(town, person_ref)
    erase(town, person_ref)
    assert town.audit().violations == []


def test_work_is_held_until_its_presentation_is_over(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    work_id = hand_in(town)
    erasing = erasing_in(town)
    with pytest.raises(Held, match=r"there is work in K827-26J.*a script was not collected"):
        erasing.erase(person_ref, reason="asked for it", actor=ACTOR)
    assert ref_of(town, ZEB) == person_ref
    collect(town, work_id)
    end_presentation(town)
    erasing.check(person_ref)


def test_the_tutor_of_a_group_is_held(town: Town) -> None:
    with pytest.raises(Held, match="is the tutor of a group of K827-26J"):
        erasing_in(town).check(ref_of(town, TUTOR))


def test_an_open_question_holds(town: Town) -> None:
    collect(town, hand_in(town))
    town.hand_in(ZEB, content=CONTENT + b"again", name=FILE_NAME)
    town.settle()
    end_presentation(town)
    for number in (ZEB, TUTOR):
        with pytest.raises(Held, match="a tutor is asked which version to mark"):
            erasing_in(town).check(ref_of(town, number))


def test_an_upload_under_way_holds(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    begin_upload(town)
    end_presentation(town)
    with pytest.raises(Held, match="an upload is under way"):
        erasing_in(town).check(person_ref)


def test_a_locked_file_holds(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    collect(town, hand_in(town))
    end_presentation(town)
    tomorrow = town.system.platform.clock.now() + timedelta(days=1)
    with town.system.submission.database.transaction() as tx:
        tx.connection.execute(sa.update(version_table).values(retained_until=tomorrow))
    with pytest.raises(Held, match=f"lets go of their last file on {tomorrow:%Y-%m-%d}"):
        erasing_in(town).check(person_ref)


def test_a_dead_letter_that_could_bring_them_back_holds(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    bury(town, person_ref)
    with pytest.raises(Held, match=r"dead letter \d+ is about this person.*--service marking"):
        erasing_in(town).check(person_ref)
    discard_letters(town)
    erase(town, person_ref)


def test_a_dead_letter_that_comes_afterwards_is_told_and_cleared_when_it_is_resolved(place: tuple[Town, Path]) -> None:
    town, folder = place
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    erase(town, person_ref)
    bury(town, person_ref)
    erasing = erasing_in(town)
    assert not erasing.is_done(person_ref)
    assert [each for each in erasing.obstacles(person_ref) if each.startswith("marking: dead letter")]
    discard_letters(town)
    assert erasing.wait(person_ref, seconds=SECONDS)
    assert not [where for where in traces_under(folder) if not where.startswith("bus.db")]


def test_what_is_not_published_yet_holds(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    with town.bus_away():
        renamed = university(over=True)
        students = [each.model_copy(update={"email": "new@example.org"}) for each in renamed.students]
        take_in(town.system, renamed.model_copy(update={"students": tuple(students)}))
        with pytest.raises(Held, match="not on the bus yet"):
            erasing_in(town).check(person_ref)


@pytest.mark.parametrize("reason", ["", "x" * 501, f"{NAME} asked", f"of {ZEB.lower()}", f"mail of {ADDRESS}"])
def test_the_reason_says_why_and_not_who(town: Town, reason: str) -> None:
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    with pytest.raises(BadReason):
        erasing_in(town).erase(person_ref, reason=reason, actor=ACTOR)
    assert ref_of(town, ZEB) == person_ref


def test_what_others_have_stays(town: Town) -> None:
    person_ref = ref_of(town, ZEB)
    collect(town, hand_in(town))
    town.hand_in(ANN, name="ann.pdf")
    end_presentation(town)
    erase(town, person_ref)
    with town.system.submission.database.reading() as connection:
        names = dict(connection.execute(sa.select(version_table.c.person_ref, version_table.c.file_name)).all())
    assert names == {person_ref: "unnamed", ref_of(town, ANN): "ann.pdf"}
    assert len(list(town.system.platform.objects.walk())) == 1


def test_mail_that_waits_is_not_sent_any_more(place: tuple[Town, Path]) -> None:
    town, folder = place
    person_ref = ref_of(town, ZEB)
    end_presentation(town)
    with town.system.notifier.service.database.transaction() as tx:
        tx.connection.execute(sa.insert(deliveries), [waiting_delivery(person_ref, tx.now)])
    erase(town, person_ref)
    (row,) = [row for row in town.rows("notifier", "deliveries") if row["person_ref"] == person_ref]
    assert (row["state"], row["reason"]) == ("suppressed", "no_address")
    assert list(traces_under(folder)) == []


def waiting_delivery(person_ref: str, now: datetime) -> dict[str, object]:
    return {
        "delivery_id": "waits",
        "person_ref": person_ref,
        "message_id": "<waits@example.org>",
        "correlation_id": "waits",
        "state": "queued",
        "reason": "",
        "attempts": 1,
        "uncertain_attempts": 0,
        "created_at": now,
        "next_try_at": now + timedelta(days=1),
    }
