"""A cut-off that is moved is a new ruling for those who handed in: signed, told once, and shown to all who see it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pikepdf
import pytest
import sqlalchemy as sa

from services.intake.catalogue import take_in
from services.submission.catalogue.domain import CUT_OFF_MOVED
from services.submission.corrections import handlers
from services.submission.receipts.domain import StatementType
from services.submission.receipts.store import ruling_statement_table
from services.submission.submissions.store import version_table
from shared.contracts import LatePolicy
from shared.messaging.tables import timer
from tests.support.university import ANN, BEN, CY, PDF, TUTOR, Town, running_town, university_due

LONG_AGO = -30


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Embedded only: the processes of the other town do not fire the timers of submission."""
    with running_town(tmp_path) as town:
        yield town


def move(town: Town, *, days: int, policy: LatePolicy = LatePolicy.REFUSE) -> None:
    take_in(town.system, university_due(days=days, policy=policy))
    town.settle()


def main_of(page: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", page.partition("<main")[2]).split())


def corrections(town: Town) -> list[tuple[object, object]]:
    return [(row["band_before"], row["band"]) for row in town.rows("submission", "corrections")]


def test_who_had_handed_in_is_ruled_on_anew_told_once_and_holds_a_signed_ruling(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    town.settle()
    address = f"/api/v1/submissions/{accepted['submission_id']}/ruling"
    assert town.get(address, "student", ANN).status_code == 404
    move(town, days=LONG_AGO)
    assert corrections(town) == [("on_time", "late")]
    ruling = town.get(address, "student", ANN)
    assert town.get(address, "student", BEN).status_code == 404
    checked = town.client.post("/verify", data={"receipt": ruling.text})
    words = main_of(checked.text)
    assert (checked.status_code, "This ruling is genuine" in words) == (200, True)
    assert f"Receipt that it corrects {accepted['receipt_id']}" in words
    assert "Ruling before On time Ruling Late" in words
    purposes = [row["purpose"] for row in town.rows("notifier", "obligations")]
    assert purposes.count("lateness_corrected") == 1
    inbox = town.get("/api/v1/inbox", "student", ANN).json()["items"]
    assert "now counts as late" in str(inbox)
    assert town.audit().violations == []


def test_everybody_who_sees_the_ruling_sees_the_one_in_force(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    town.settle()
    move(town, days=LONG_AGO)
    assert "Version 1, late" in main_of(town.get("/work", "student", ANN).text)
    receipt = main_of(town.get(f"/receipts/{accepted['submission_id']}", "student", ANN).text)
    assert "Ruling at issue On time Ruling now Late: the cut-off was moved." in receipt
    script = main_of(town.get(f"/tutor/scripts/{accepted['work_id']}", "tutor", TUTOR).text)
    assert " Late To be marked" in script
    for page in (
        town.client.post("/verify", data={"receipt": accepted["receipt"]}),
        town.client.get(f"/verify/{accepted['receipt_id']}"),
    ):
        assert "Ruling at issue On time Ruling now Late: corrected" in main_of(page.text)
    pdf = town.get(f"/api/v1/submissions/{accepted['submission_id']}/receipt.pdf", "student", ANN).content
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        attached = {name: opened.attachments[name].get_file().read_bytes() for name in opened.attachments}
    ruling = town.get(f"/api/v1/submissions/{accepted['submission_id']}/ruling", "student", ANN).text.strip()
    assert attached == {"receipt.jws": accepted["receipt"].encode(), "ruling.jws": ruling.encode()}
    checked = town.client.post("/verify", files={"file": ("receipt.pdf", pdf)})
    assert "This receipt is genuine" in checked.text
    assert "Ruling now Late" in main_of(checked.text)


def test_a_cut_off_that_moves_back_corrects_once_more_and_the_receipt_stays_as_it_was(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    move(town, days=LONG_AGO)
    move(town, days=LONG_AGO, policy=LatePolicy.NEXT_DAY_WITH_PENALTY)
    move(town, days=20)
    assert corrections(town) == [("on_time", "late"), ("late", "penalised"), ("penalised", "on_time")]
    (row,) = town.rows("submission", "versions")
    assert (row["band"], row["corrected_band"], row["receipt"]) == ("on_time", "on_time", accepted["receipt"])
    assert town.audit().violations == []


def test_what_changes_no_ruling_is_said_to_nobody(town: Town) -> None:
    town.hand_in(ANN)
    town.settle()
    move(town, days=30)
    take_in(town.system, university_due(days=30, title="Another title"))
    town.settle()
    assert corrections(town) == []
    assert town.audit().violations == []


def test_only_a_cut_off_that_moved_is_looked_at(town: Town) -> None:
    town.hand_in(ANN)
    take_in(town.system, university_due(days=20, title="Another title"))
    with town.system.submission.database.reading() as connection:
        assert connection.execute(sa.select(timer.c.key).where(timer.c.kind == CUT_OFF_MOVED)).all() == []


def test_every_version_of_everybody_is_ruled_on_in_steps(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "CHUNK", 2)
    for number in range(3):
        for person in (ANN, BEN, CY):
            assert town.hand_in(person, content=PDF + bytes([number])).status_code == 201
    town.settle()
    move(town, days=LONG_AGO)
    assert corrections(town) == [("on_time", "late")] * 9
    assert town.audit().violations == []


def test_what_was_being_handed_in_while_the_cut_off_moved_is_ruled_on_by_the_second_look(town: Town) -> None:
    town.hand_in(ANN)
    move(town, days=LONG_AGO)
    database = town.system.submission.database
    with database.transaction() as tx:
        forgotten = sa.update(version_table).values(corrected_band=None)
        tx.connection.execute(forgotten)
        tx.connection.execute(sa.delete(ruling_statement_table))
        (second,) = tx.connection.execute(sa.select(timer).where(timer.c.kind == CUT_OFF_MOVED)).all()
        assert second.due_at > tx.now + timedelta(minutes=5)
        tx.connection.execute(sa.update(timer).where(timer.c.kind == CUT_OFF_MOVED).values(due_at=tx.now))
    town.settle()
    assert corrections(town) == [("on_time", "late")]
    with database.reading() as connection:
        assert connection.execute(sa.select(timer.c.key).where(timer.c.kind == CUT_OFF_MOVED)).all() == []


def test_one_version_has_one_ruling_for_a_cut_off(town: Town) -> None:
    town.hand_in(ANN)
    move(town, days=LONG_AGO)
    with town.system.submission.database.reading() as connection:
        (row,) = connection.execute(sa.select(ruling_statement_table)).mappings().all()
    again = {name: value for name, value in row.items() if name != "position"} | {"ruling_id": "another"}
    with pytest.raises(sa.exc.IntegrityError), town.system.submission.database.engine.begin() as connection:
        connection.execute(sa.insert(ruling_statement_table).values(again))


def test_a_ruling_of_a_revoked_key_is_believed_by_the_record(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    move(town, days=LONG_AGO)
    ruling = town.get(f"/api/v1/submissions/{accepted['submission_id']}/ruling", "student", ANN).text
    ring = town.system.submission.key_ring
    (retired,) = ring.rotate().retired
    (row,) = town.rows("submission", "versions")
    ring.revoke(retired, since=ring.all_keys()[0].first_used_at, reason="a test")
    verdict = town.system.submission.verification.check(ruling.encode())
    assert (verdict.statement.type, str(verdict.trust)) == (StatementType.RULING, "record")
    assert row["receipt_id"] == verdict.statement.claims["receipt"]
