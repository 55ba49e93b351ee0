"""The audit finds each thing that can be wrong, and finds nothing where nothing is."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.operations.reconciliation.domain import Code, Report
from services.operations.reconciliation.handlers import Audit, Question
from shared.contracts import work_id_of
from shared.errors import Unavailable
from tests.integration.operations_world import NOON, ListInspection, World, finished_world, sign, verify
from tests.support.objects import VERSION, FilledStore

LATER = NOON + timedelta(hours=1)


@dataclass
class Bench:
    """A world with its objects and receipts on disk, and an audit over it."""

    world: World
    root: Path

    @property
    def objects(self) -> FilledStore:
        return FilledStore(self.root / "objects")

    def audit(
        self,
        *,
        receipts: Path | None = None,
        settled: bool = True,
        now: datetime = LATER,
        mail: Callable[[], list[str]] | None = None,
    ) -> Report:
        question = Question(now=now, machine_now=datetime.now(UTC), receipts=receipts, settled=settled)
        return Audit(self.world.inspections(), self.objects, verify, mail).run(question)

    def report_of(
        self, inspections: Mapping[str, ListInspection], *, settled: bool = True, now: datetime = LATER
    ) -> Report:
        question = Question(now=now, machine_now=datetime.now(UTC), settled=settled)
        return Audit(inspections, self.objects, verify).run(question)

    def found(self, **asked: object) -> list[str]:
        return [violation.code.value for violation in self.audit(**asked).violations]  # type: ignore[arg-type]

    def hand_in(self, submission_id: str, *, taken: bool) -> None:
        """Let a student hand in this version, and put its object into the store."""
        _, person_ref, version = submission_id.split("-")
        self.world.hand_in(person_ref, version=int(version), taken=taken)
        self.objects.put(f"work/{submission_id}", self.world.contents[submission_id])

    def mail(self) -> list[str]:
        """The Message-ID of every mail, each there once."""
        return [row["message_id"] for row in self.world.deliveries]

    def keep_receipts(self) -> Path:
        return self.world.keep_receipts(self.root / "receipts")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(world=finished_world(), root=tmp_path)
    for submission_id, content in bench.world.contents.items():
        bench.objects.put(f"work/{submission_id}", content)
    return bench


def test_a_finished_world_is_clean(bench: Bench) -> None:
    report = bench.audit(receipts=bench.keep_receipts(), mail=bench.mail)
    assert report.violations == []
    assert report.clean
    expected = {"receipts": 5, "versions": 5, "works": 3, "objects": 5, "scripts": 3, "rulings": 5, "facts": 36}
    assert {name: report.counts[name] for name in expected} == expected
    assert report.counts["obligations"] == report.counts["deliveries_sent"] == 11


def test_an_empty_world_is_clean(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    assert Bench(world=World(), root=tmp_path).found() == []


def test_a_forged_receipt_of_a_client(bench: Bench) -> None:
    folder = bench.keep_receipts()
    header, body, signature = bench.world.versions[0]["receipt"].split(".")
    with (folder / "client.jsonl").open("a") as journal:
        journal.write(f"{header}.{body}.{signature[::-1]}\n")
    report = bench.audit(receipts=folder)
    assert [violation.code for violation in report.violations] == [Code.RECEIPT_FORGED]
    assert report.violations[0].ids == {"receipt": "client.jsonl:6"}


def test_a_receipt_that_is_no_receipt(bench: Bench) -> None:
    folder = bench.keep_receipts()
    (folder / "other.txt").write_text("hello\n")
    assert bench.found(receipts=folder) == ["receipt_forged"]


def test_a_signed_thing_that_is_no_receipt(bench: Bench) -> None:
    folder = bench.keep_receipts()
    (folder / "other.txt").write_text(sign({"sub": "somebody"}) + "\n")
    assert bench.found(receipts=folder) == ["receipt_forged"]


def test_a_torn_last_line_was_never_held(bench: Bench) -> None:
    folder = bench.keep_receipts()
    with (folder / "client.jsonl").open("a") as journal:
        journal.write(bench.world.versions[0]["receipt"][:-60])
    report = bench.audit(receipts=folder)
    assert report.clean
    assert report.counts["receipts"] == 5


def test_a_whole_last_line_counts_without_its_newline(bench: Bench) -> None:
    folder = bench.world.keep_receipts(bench.root / "receipts", [])
    (folder / "one.txt").write_text(bench.world.versions[0]["receipt"])
    assert bench.audit(receipts=folder).counts["receipts"] == 1


def test_a_torn_line_that_is_not_the_last_is_no_accident(bench: Bench) -> None:
    folder = bench.world.keep_receipts(bench.root / "receipts", [bench.world.versions[0]["receipt"][:-9], "", ""])
    assert bench.found(receipts=folder) == ["receipt_forged"]


def test_a_folder_that_is_not_there_cannot_be_audited(bench: Bench) -> None:
    with pytest.raises(Unavailable):
        bench.audit(receipts=bench.root / "nowhere")


def test_a_row_that_vanished_everywhere_is_known_to_the_client(bench: Bench) -> None:
    folder = bench.keep_receipts()
    bench.world = World()
    report = bench.audit(receipts=folder)
    assert Counter(violation.code for violation in report.violations) == {"version_missing": 5}
    assert report.counts["objects_unclaimed"] == 5


def test_a_deleted_row_is_found_without_a_client(bench: Bench) -> None:
    del bench.world.versions[0]
    assert set(bench.found()) == {"version_missing", "ruling_unknown", "script_differs"}


def test_a_changed_row_differs_from_its_receipt_and_its_fact(bench: Bench) -> None:
    bench.world.versions[0]["size_bytes"] += 1
    assert Counter(bench.found()) == {"version_differs": 2, "object_corrupt": 1, "ruling_differs": 1}


def test_a_row_with_another_receipt_than_the_client(bench: Bench) -> None:
    folder = bench.keep_receipts()
    row = bench.world.versions[0]
    row["receipt"] = sign({**verify(row["receipt"]), "iat": 1})
    assert bench.found(receipts=folder) == ["receipt_differs"]


def test_a_row_with_a_forged_receipt(bench: Bench) -> None:
    bench.world.versions[0]["receipt"] += "x"
    assert bench.found() == ["receipt_forged"]


def test_a_gap_in_the_versions_of_a_work(bench: Bench) -> None:
    bench.world.versions[-1]["version"] = 4
    assert "version_gap" in bench.found()


def test_an_object_that_is_gone(bench: Bench) -> None:
    bench.objects.path_of("work/s-ann-1").unlink()
    report = bench.audit()
    assert [violation.code for violation in report.violations] == [Code.OBJECT_MISSING]
    assert report.violations[0].ids["submission_id"] == "s-ann-1"


def test_an_object_with_one_other_byte(bench: Bench) -> None:
    path = bench.objects.path_of("work/s-ann-1")
    path.write_bytes(b"T" + path.read_bytes()[1:])
    assert bench.found() == ["object_corrupt"]


def test_an_object_that_was_cut(bench: Bench) -> None:
    os.truncate(bench.objects.path_of("work/s-ann-1"), 3)
    assert bench.found() == ["object_corrupt"]


@pytest.mark.parametrize(("noted_for_days", "found"), [(33, ["object_orphan"]), (31, []), (0, [])])
def test_an_object_that_nobody_knows_is_cleared_away_a_month_after_it_was_noted(
    bench: Bench, noted_for_days: int, found: list[str]
) -> None:
    bench.objects.put("work/stranger", b"who am I")
    noted_at = datetime.now(UTC) - timedelta(days=noted_for_days)
    note = {"object_key": "work/stranger", "object_version": VERSION, "first_seen_at": noted_at.isoformat()}
    bench.world.orphans.append(note)
    assert bench.found() == found


def test_an_old_object_that_nobody_knows_and_nobody_noted_yet_is_only_counted(bench: Bench) -> None:
    bench.objects.put("work/stranger", b"who am I")
    os.utime(bench.objects.path_of("work/stranger"), (0, 0))
    report = bench.audit()
    assert (report.clean, report.counts["objects_unclaimed"]) == (True, 1)


def test_a_version_that_was_never_announced(bench: Bench) -> None:
    del bench.world.submission_outbox[0]
    assert "fact_missing" in bench.found()


def test_pruned_outboxes_are_made_up_for_by_the_trail(bench: Bench) -> None:
    inspections = bench.world.inspections()
    for inspection in inspections.values():
        inspection.streams["outbox"] = []
    assert bench.report_of(inspections, now=NOON + timedelta(days=15)).clean


def test_a_version_announced_twice(bench: Bench) -> None:
    (first, *_) = (row for row in bench.world.submission_outbox if "SubmissionReceived" in row["type"])
    bench.world.submission_outbox.append({**first, "ce_id": "e-again"})
    assert Counter(bench.found()) == {"fact_duplicate": 2, "obligation_missing": 1}


def test_a_fact_that_the_trail_never_heard_of(bench: Bench) -> None:
    inspections = bench.world.inspections()
    del inspections["operations"].streams["trail"][-1]
    assert [violation.code for violation in bench.report_of(inspections).violations] == [Code.FACT_MISSING]


def test_a_changed_event_of_the_trail(bench: Bench) -> None:
    inspections = bench.world.inspections()
    inspections["operations"].streams["trail"][2]["ce_id"] = "another"
    assert Code.CHAIN_BROKEN in {violation.code for violation in bench.report_of(inspections).violations}


def test_a_version_without_a_ruling(bench: Bench) -> None:
    del bench.world.rulings[1]
    assert bench.found() == ["ruling_missing"]


def test_a_version_with_two_rulings(bench: Bench) -> None:
    bench.world.rulings.append(bench.world.rulings[0])
    assert bench.found() == ["ruling_duplicate"]


def test_a_ruling_on_nothing(bench: Bench) -> None:
    bench.world.rulings.append({**bench.world.rulings[0], "submission_id": "s-nobody-1"})
    assert Counter(bench.found()) == {"ruling_unknown": 1, "fact_missing": 1}


def test_a_work_without_a_script(bench: Bench) -> None:
    del bench.world.scripts[0]
    assert Counter(bench.found()) == {"script_missing": 2, "state_differs": 1}


def test_a_script_held_for_a_known_reason(bench: Bench) -> None:
    bench.world.hold("ann")
    assert bench.found() == []


@pytest.mark.parametrize("place", [{"state": "held", "waits_for": "unknown"}, {"state": "lost"}, {"tutor_ref": None}])
def test_a_script_that_is_nowhere(bench: Bench, place: dict[str, object]) -> None:
    bench.world.scripts[0] |= place
    assert "hold_unknown" in bench.found()


def test_a_script_with_the_version_of_another_work(bench: Bench) -> None:
    bench.world.scripts[0]["taken_submission_id"] = "s-bob-1"
    assert set(bench.found()) == {"script_differs"}


@pytest.mark.parametrize("take", [True, False])
def test_a_choice_with_all_that_comes_of_it_is_clean(bench: Bench, take: object) -> None:
    bench.world.choose("s-cy-3", take=bool(take))
    assert bench.found() == []


def test_a_version_taken_later_is_collected_and_replaced_like_any_other(bench: Bench) -> None:
    bench.world.choose("s-cy-3", take=True)
    bench.hand_in("s-cy-4", taken=True)
    assert bench.found() == []
    bench.world.collect("cy")
    assert bench.found() == []
    bench.hand_in("s-cy-5", taken=False)
    bench.world.choose("s-cy-5", take=False)
    bench.hand_in("s-cy-6", taken=False)
    bench.hand_in("s-cy-7", taken=False)
    assert bench.found() == []
    assert [row["state"] for row in bench.world.questions] == ["taken", "kept", "superseded", "open"]


def test_a_version_that_nobody_is_asked_about(bench: Bench) -> None:
    bench.world.questions.clear()
    assert bench.found() == ["question_missing"]
    assert bench.found(settled=False, now=NOON + timedelta(seconds=59)) == []
    assert bench.found(settled=False) == ["question_missing"]


def test_a_question_about_a_version_that_was_taken(bench: Bench) -> None:
    bench.world.questions.append({**bench.world.questions[0], "submission_id": "s-cy-2", "state": "superseded"})
    assert bench.found() == ["question_differs"]


def test_a_question_that_is_put_to_another_tutor_than_was_told(bench: Bench) -> None:
    bench.world.questions[0]["tutor_ref"] = "tutor-2"
    assert bench.found() == ["question_differs"]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 4},
        {"work_id": "another"},
        {"earlier_submission_id": "s-cy-1", "earlier_version": 1},
        {"state": "superseded", "closed_at": NOON.isoformat()},
        {"state": "forgotten"},
    ],
)
def test_a_question_that_is_not_about_what_happened(bench: Bench, change: dict[str, object]) -> None:
    bench.world.questions[0] |= change
    assert bench.found() == ["question_differs"]


def test_two_open_questions_about_one_work(bench: Bench) -> None:
    bench.hand_in("s-cy-4", taken=False)
    bench.world.questions[0] |= {"state": "open", "closed_at": None}
    assert bench.found() == ["question_differs"]


def test_an_answer_that_nobody_heard_of(bench: Bench) -> None:
    bench.world.questions[0] |= {"state": "kept", "closed_at": NOON.isoformat(), "decided_by": "tutor-1"}
    assert Counter(bench.found()) == {"fact_missing": 1, "state_differs": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "taken"},
        {"state": "open", "closed_at": None, "decided_by": None},
        {"decided_by": "tutor-2"},
        {"closed_at": LATER.isoformat()},
        {"earlier_version": 1},
    ],
)
def test_an_answer_that_was_announced_otherwise(bench: Bench, change: dict[str, object]) -> None:
    bench.world.choose("s-cy-3", take=False)
    bench.world.questions[0] |= change
    assert "question_differs" in bench.found()


def test_an_answer_to_no_question(bench: Bench) -> None:
    bench.world.choose("s-cy-3", take=False)
    bench.world.questions.clear()
    assert Counter(bench.found()) == {"question_missing": 1, "question_differs": 1, "state_differs": 1}


def test_an_answer_that_was_announced_twice(bench: Bench) -> None:
    bench.world.choose("s-cy-3", take=False)
    (said,) = (row for row in bench.world.marking_outbox if "LaterVersionDeclined" in row["type"])
    bench.world.marking_outbox.append({**said, "ce_id": "e-again"})
    assert Counter(bench.found()) == {"fact_duplicate": 2, "obligation_missing": 1}


@pytest.mark.parametrize("take", [True, False])
def test_an_answer_that_is_not_told_to_the_student(bench: Bench, take: object) -> None:
    bench.world.choose("s-cy-3", take=bool(take))
    bench.world.obligations.pop()
    assert Counter(bench.found()) == {"obligation_missing": 1, "delivery_differs": 1}


@pytest.mark.parametrize("seen", [{"decision": None, "decided_at": None}, {"decision": "declined"}])
def test_a_student_who_does_not_see_the_answer(bench: Bench, seen: dict[str, object]) -> None:
    bench.world.choose("s-cy-3", take=True)
    version = bench.world.versions[-1]
    version |= seen
    assert bench.found() == ["state_differs"]


def test_a_version_that_was_taken_later_and_is_not_the_one_to_be_marked(bench: Bench) -> None:
    bench.world.choose("s-cy-3", take=True)
    (script,) = (row for row in bench.world.scripts if row["person_ref"] == "cy")
    script |= {"taken_submission_id": "s-cy-2", "taken_version": 2}
    assert bench.found() == ["script_differs"]


def test_a_script_that_forgot_that_its_tutor_had_collected_it(bench: Bench) -> None:
    bench.world.choose("s-cy-3", take=True)
    (script,) = (row for row in bench.world.scripts if row["person_ref"] == "cy")
    script["collected_at"] = None
    assert bench.found() == ["script_differs"]


@pytest.mark.parametrize("purpose", ["receipt", "new_script", "version_not_taken", "version_question"])
def test_a_removed_obligation(bench: Bench, purpose: str) -> None:
    place = [row["purpose"] for row in bench.world.obligations].index(purpose)
    del bench.world.obligations[place]
    assert Counter(bench.found()) == {"obligation_missing": 1, "delivery_differs": 1}


def test_an_obligation_twice(bench: Bench) -> None:
    bench.world.obligations.append(bench.world.obligations[0])
    assert bench.found() == ["obligation_duplicate"]


def test_an_obligation_whose_delivery_is_not_there(bench: Bench) -> None:
    del bench.world.deliveries[0]
    assert bench.found() == ["delivery_missing", "delivery_missing"]


def test_an_obligation_that_waits_for_a_person(bench: Bench) -> None:
    bench.world.known["notifier"]["persons"] = []
    bench.world.put_off(bench.world.obligations[0], state="held", waits_for="person")
    assert set(bench.found()) == {"state_differs"}


def test_an_obligation_that_waits_for_a_person_who_is_known(bench: Bench) -> None:
    bench.world.put_off(bench.world.obligations[0], state="held", waits_for="person")
    assert bench.found() == ["delivery_missing"]


def test_an_obligation_that_waits_for_nothing_known(bench: Bench) -> None:
    bench.world.put_off(bench.world.obligations[0], state="held", waits_for="godot")
    assert bench.found() == ["delivery_missing"]


def test_a_mail_that_says_sent_and_is_not_there(bench: Bench) -> None:
    assert bench.found(mail=lambda: bench.mail()[1:]) == ["delivery_missing"]


def test_a_mail_that_is_there_twice(bench: Bench) -> None:
    assert bench.found(mail=lambda: [*bench.mail(), "<d-1@etma>"]) == ["delivery_duplicate"]


def test_a_mail_that_no_delivery_knows(bench: Bench) -> None:
    assert bench.found(mail=lambda: [*bench.mail(), "<stray@etma>"]) == ["message_unknown"]
    assert bench.found(mail=lambda: [*bench.mail(), "<stray@etma>"], settled=False) == []


@pytest.mark.parametrize("state", ["queued", "sending", "uncertain"])
def test_a_delivery_under_way_is_not_settled(bench: Bench, state: str) -> None:
    bench.world.take_back("d-1")
    bench.world.deliveries[0]["state"] = state
    assert bench.found() == ["not_settled"]
    assert bench.found(settled=False) == []


def test_a_digest_under_way_is_not_settled(bench: Bench) -> None:
    bench.world.put_off(bench.world.obligations[1], state="pending")
    assert bench.found() == ["not_settled"]
    assert bench.found(settled=False, now=NOON + timedelta(minutes=16)) == []


def test_a_digest_that_nobody_fires_is_overdue(bench: Bench) -> None:
    bench.world.put_off(bench.world.obligations[1], state="pending")
    assert bench.found(settled=False, now=NOON + timedelta(minutes=16, seconds=1)) == ["delivery_overdue"]


def daily(due_at: datetime | None) -> dict[str, str | None]:
    """How the notifier shows what waits for a daily digest."""
    return {"state": "pending", "way": "daily", "waits_until": due_at.isoformat() if due_at else None}


@pytest.mark.parametrize("settled", [True, False])
def test_what_waits_for_a_daily_digest_is_neither_overdue_nor_unsettled(bench: Bench, *, settled: bool) -> None:
    due_at = NOON + timedelta(hours=19)
    bench.world.put_off(bench.world.obligations[1], **daily(due_at))
    assert bench.found(settled=settled, now=due_at) == []


@pytest.mark.parametrize("settled", [True, False])
def test_a_daily_digest_that_nobody_fires_is_overdue(bench: Bench, *, settled: bool) -> None:
    due_at = NOON + timedelta(hours=19)
    bench.world.put_off(bench.world.obligations[1], **daily(due_at))
    assert bench.found(settled=settled, now=due_at + timedelta(minutes=2)) == ["delivery_overdue"]


def test_a_daily_digest_that_is_not_due_within_a_day_or_not_set_is_overdue(bench: Bench) -> None:
    bench.world.put_off(bench.world.obligations[1], **daily(NOON + timedelta(hours=26)))
    assert bench.found(now=NOON) == ["delivery_overdue"]
    bench.world.obligations[1] |= daily(None)
    assert bench.found(now=NOON) == ["not_settled"]
    assert bench.found(settled=False, now=NOON + timedelta(minutes=17)) == ["delivery_overdue"]


def test_a_receipt_waits_for_no_digest_and_is_mailed_whatever_was_chosen(bench: Bench) -> None:
    receipt = next(row for row in bench.world.obligations if row["purpose"] == "receipt")
    (delivery,) = (row for row in bench.world.deliveries if row["delivery_id"] == receipt["delivery_id"])
    bench.world.take_back(delivery["delivery_id"])
    delivery |= {"state": "suppressed", "reason": "inbox_only", "finished_at": NOON.isoformat()}
    assert bench.found() == ["delivery_differs"]
    bench.world.put_off(receipt, **daily(NOON + timedelta(hours=19)))
    assert bench.found() == ["delivery_overdue"]


def test_news_that_may_wait_is_under_messages_alone_where_that_was_chosen(bench: Bench) -> None:
    script = next(row for row in bench.world.obligations if row["purpose"] == "new_script")
    (delivery,) = (row for row in bench.world.deliveries if row["delivery_id"] == script["delivery_id"])
    bench.world.take_back(delivery["delivery_id"])
    delivery |= {"state": "suppressed", "reason": "inbox_only", "finished_at": NOON.isoformat()}
    assert bench.found() == []
    delivery["reason"] = "nobody liked it"
    assert bench.found() == ["delivery_missing"]


def test_what_is_sent_again_is_under_way_since_then_and_clean_once_it_went(bench: Bench) -> None:
    bench.world.take_back("d-1")
    again = NOON + timedelta(hours=5)
    bench.world.deliveries[0] |= {"state": "queued", "resent_at": again.isoformat(), "finished_at": None}
    bench.world.say_failed("d-1")
    assert bench.found(settled=False, now=again + timedelta(minutes=61)) == []
    assert bench.found(settled=False, now=again + timedelta(minutes=62)) == ["delivery_overdue"]


def test_a_message_that_does_not_go_out_is_overdue(bench: Bench) -> None:
    bench.world.take_back("d-1")
    assert bench.found(settled=False, now=NOON + timedelta(minutes=61)) == []
    assert bench.found(settled=False, now=NOON + timedelta(minutes=62)) == ["delivery_overdue"]


def test_a_message_that_failed_is_told_also_of_a_running_system(bench: Bench) -> None:
    bench.world.take_back("d-1")
    bench.world.deliveries[0] |= {"state": "failed", "reason": "mailbox_unavailable", "finished_at": NOON.isoformat()}
    bench.world.say_failed("d-1")
    assert bench.found(settled=False) == ["delivery_failed"]


def test_a_folder_with_nothing_but_a_torn_receipt_holds_none(bench: Bench) -> None:
    folder = bench.world.keep_receipts(bench.root / "receipts", [])
    (folder / "client.jsonl").write_text(bench.world.versions[0]["receipt"][:-60])
    with pytest.raises(Unavailable):
        bench.audit(receipts=folder)


def test_a_row_of_another_person_differs_from_receipt_work_fact_and_script(bench: Bench) -> None:
    bench.world.versions[0]["person_ref"] = "bob"
    assert Counter(bench.found()) == {"version_differs": 3, "script_differs": 1}


def test_a_work_of_another_person_or_assignment(bench: Bench) -> None:
    row = bench.world.versions[0]
    row["work_id"] = work_id_of(row["assignment_id"], "bob")
    report = bench.audit()
    assert "the work is not that of this person on this assignment" in {each.detail for each in report.violations}


@pytest.mark.parametrize("service", ["identity", "submission", "marking", "notifier"])
def test_a_fact_of_any_service_that_the_trail_never_heard_of(bench: Bench, service: str) -> None:
    inspections = bench.world.inspections()
    lost = inspections[service].streams["outbox"][-1]
    trail = inspections["operations"].streams["trail"]
    trail[:] = [row for row in trail if row["ce_id"] != lost["ce_id"]]
    found = bench.report_of(inspections).violations
    assert {"event_id": lost["ce_id"], "key": lost["key"]} in [dict(each.ids) for each in found]


def test_a_fact_of_the_trail_that_its_producer_does_not_know(bench: Bench) -> None:
    inspections = bench.world.inspections()
    del inspections["notifier"].streams["outbox"][-1]
    assert [each.code for each in bench.report_of(inspections).violations] == [Code.FACT_UNKNOWN]


def test_a_gap_in_the_numbers_of_a_key(bench: Bench) -> None:
    outbox = bench.world.marking_outbox
    place = next(place for place, fact in enumerate(outbox) if fact["sequence"] == 1)
    key = outbox.pop(place)["key"]
    report = bench.audit()
    assert {"producer": "marking", "key": key} in [dict(each.ids) for each in report.violations]


def test_the_last_number_of_a_key_is_missed_too(bench: Bench) -> None:
    del bench.world.outboxes["identity"][-1]
    assert Counter(bench.found()) == {"fact_missing": 1, "state_differs": 3}


def test_a_producer_that_forgot_how_far_it_counted(bench: Bench) -> None:
    bench.world.counters["marking"].clear()
    assert set(bench.found()) == {"state_differs"}


def test_what_was_kept_while_the_audit_was_reading_is_no_damage(bench: Bench) -> None:
    group = bench.world.known["marking"]["groups"][0]
    group |= {"revision": group["revision"] + 1, "member_refs": []}
    assert bench.found(settled=False) == []
    assert bench.found() == ["state_differs"]


def test_a_script_that_was_collected_while_the_audit_was_reading_is_no_damage(bench: Bench) -> None:
    (stage, *_) = (row for row in bench.world.stages if row["stage"] == "allocated")
    stage["stage"] = "collected"
    assert bench.found(settled=False) == ["state_differs"]
    stage["since"] = LATER.isoformat()
    assert bench.found(settled=False) == []


def test_a_member_who_is_lost_to_marking(bench: Bench) -> None:
    bench.world.known["marking"]["groups"][0]["member_refs"].remove("ann")
    assert bench.found(settled=False) == ["state_differs"]


def test_what_is_young_is_in_flight(bench: Bench) -> None:
    bench.world.rulings.clear()
    bench.world.scripts.clear()
    bench.world.obligations.clear()
    report = bench.audit(settled=False, now=NOON + timedelta(seconds=59))
    assert report.clean
    assert report.counts["in_flight"] == 36


def test_what_is_older_than_the_settling_time_is_missed(bench: Bench) -> None:
    bench.world.rulings.clear()
    assert bench.found(settled=False, now=NOON + timedelta(seconds=60)) == ["ruling_missing"] * 5


def test_a_stream_of_another_shape_cannot_be_audited(bench: Bench) -> None:
    del bench.world.rulings[0]["version"]
    with pytest.raises(Unavailable):
        bench.audit()


def test_a_broken_value_in_an_outbox_is_made_up_for_by_the_trail(bench: Bench) -> None:
    inspections = bench.world.inspections()
    inspections["submission"].streams["outbox"] = [{**row, "value": "{"} for row in bench.world.submission_outbox]
    assert {violation.code for violation in bench.report_of(inspections).violations} == {Code.TRAIL_DIFFERS}


@pytest.mark.parametrize("figure", ["unpublished", "lag", "parked", "timers_due"])
def test_messages_under_way_are_not_settled(bench: Bench, figure: str) -> None:
    inspections = bench.world.inspections()
    inspections["marking"].figures[figure] = 3
    violations = bench.report_of(inspections).violations
    assert [(violation.code, violation.ids) for violation in violations] == [(Code.NOT_SETTLED, {"service": "marking"})]


def test_a_buried_message_is_a_violation_also_of_a_running_system(bench: Bench) -> None:
    inspections = bench.world.inspections()
    inspections["notifier"].figures["dead_letters"] = 1
    violations = bench.report_of(inspections, settled=False).violations
    assert [violation.code for violation in violations] == [Code.DEAD_LETTER]


def test_an_object_that_vanishes_while_it_is_walked(bench: Bench) -> None:
    class Vanishing(FilledStore):
        def read(self, key: str, version: str) -> Iterator[bytes]:
            self.path_of(key).unlink()
            return super().read(key, version)

    store = Vanishing(bench.root / "objects")
    question = Question(now=LATER, machine_now=datetime.now(UTC), settled=True)
    report = Audit(bench.world.inspections(), store, verify).run(question)
    assert {violation.code for violation in report.violations} == {Code.OBJECT_MISSING}
