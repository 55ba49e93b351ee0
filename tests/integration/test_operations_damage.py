"""A settled system is damaged in its databases, one row at a time, and the audit finds it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.embedded import Embedded
from services.operations.reconciliation.domain import Code, Report
from services.operations.reconciliation.streams import envelope_of
from services.operations.trail.domain import GENESIS, chained
from shared.settings import Settings
from tests.support.university import ANN, BEN, CY, OTHER_TUTOR, PDF, running_town, settled_audit

pytestmark = pytest.mark.sqlite

EPOCH = "'2020-01-01T00:00:00.000000+00:00'"


@dataclass(frozen=True)
class Settled:
    """A stopped system in its folder, with the receipts that the clients kept; ids by name for SQL."""

    folder: Path
    ids: Mapping[str, str]
    receipts: Mapping[str, str]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Settled:
    """Ann handed in twice, Ben once more after his tutor collected, Cy has no group; one attempt was refused."""
    folder = tmp_path_factory.mktemp("settled")
    with running_town(folder) as town:
        given = {name: town.hand_in(who, content=PDF + name.encode()) for name, who in (("ann1", ANN), ("ben1", BEN))}
        given["cy1"] = town.hand_in(CY)
        town.settle()
        given["ann2"] = town.hand_in(ANN, content=PDF + b"better")
        town.hand_in(CY, content=b"\0\1 no document")
        town.post(f"/api/v1/scripts/{given['ben1'].json()['work_id']}/collection", "tutor", OTHER_TUTOR)
        town.settle()
        given["ben2"] = town.hand_in(BEN, content=PDF + b"too late")
        town.settle()
    said = {name: answer.json() for name, answer in given.items()}
    works = {f"work_{name}": each["work_id"] for name, each in said.items()}
    return Settled(
        folder=folder,
        ids={name: each["submission_id"] for name, each in said.items()} | works | {"epoch": EPOCH},
        receipts={name: each["receipt"] for name, each in said.items()},
    )


class Damaged:
    """A copy of the settled system that a test may break."""

    def __init__(self, settled: Settled, folder: Path) -> None:
        self.settled = settled
        self.folder = folder
        shutil.copytree(settled.folder, folder, dirs_exist_ok=True)
        self.keep(*settled.receipts)

    def keep(self, *names: str) -> None:
        """Let the clients have kept these receipts only."""
        kept = self.folder / "receipts"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        for name in names:
            (kept / f"receipt-{name}.jws").write_text(self.settled.receipts[name], encoding="ascii")

    def change(self, service: str, sql: str) -> None:
        """Change at least one row of a database."""
        connection = sqlite3.connect(self.folder / "var" / f"{service}.db")
        changed = connection.execute(sql.format(**self.settled.ids)).rowcount
        connection.commit()
        connection.close()
        assert changed

    def audit(self) -> Report:
        system = Embedded(Settings(data_dir=self.folder / "var", digest_window_seconds=0, demo=True))
        try:
            return settled_audit(system, self.folder / "receipts")
        finally:
            system.platform.close()

    def found(self) -> set[Code]:
        return {violation.code for violation in self.audit().violations}


@pytest.fixture
def damaged(settled: Settled, tmp_path: Path) -> Damaged:
    return Damaged(settled, tmp_path)


def test_what_is_not_damaged_is_clean(damaged: Damaged) -> None:
    report = damaged.audit()
    assert report.violations == []
    assert report.counts["receipts"] == 5


DAMAGES: tuple[tuple[str, str, str], ...] = (
    (
        "version_differs",
        "submission",
        "UPDATE version SET person_ref = (SELECT person_ref FROM version WHERE submission_id = '{ben1}')",
    ),
    ("version_differs", "submission", "UPDATE version SET assignment_id = 'K827-26J-TMA02'"),
    ("version_differs", "submission", "UPDATE version SET band = 'late'"),
    ("version_differs", "submission", "UPDATE version SET arrived_at = {epoch}"),
    ("version_differs", "submission", "UPDATE version SET cut_off_at = {epoch}"),
    ("version_differs", "submission", "UPDATE version SET media_type = 'text/plain'"),
    ("version_differs", "submission", "UPDATE version SET submitted_by = 'somebody'"),
    ("version_missing", "submission", "DELETE FROM version"),
    ("state_differs", "submission", "UPDATE version SET ruling = 'not_taken'"),
    ("state_differs", "submission", "UPDATE version SET ruling = NULL"),
    ("state_differs", "submission", "UPDATE version SET collected_at = {epoch}"),
    ("ruling_differs", "marking", "UPDATE ruling SET ruling = 'not_taken', reason = 'collected'"),
    (
        "ruling_differs",
        "marking",
        "UPDATE ruling SET object_key = (SELECT object_key FROM ruling WHERE submission_id = '{ben1}')",
    ),
    (
        "ruling_differs",
        "marking",
        "UPDATE ruling SET sha256 = (SELECT sha256 FROM ruling WHERE submission_id = '{ben1}')",
    ),
    ("ruling_missing", "marking", "DELETE FROM ruling"),
)
"""What is wrong after a change of the row of Ann's second version."""


@pytest.mark.parametrize(("code", "service", "sql"), DAMAGES)
def test_a_changed_row_of_a_version(damaged: Damaged, code: str, service: str, sql: str) -> None:
    damaged.change(service, sql + " WHERE submission_id = '{ann2}'")
    assert code in damaged.found()


MORE: tuple[tuple[str, str, str], ...] = (
    ("refusal_missing", "submission", "DELETE FROM refusal"),
    ("refusal_differs", "submission", "UPDATE refusal SET reason = 'too_late'"),
    ("fact_unknown", "submission", "DELETE FROM outbox WHERE type LIKE '%Refused%'"),
    ("state_differs", "submission", "DELETE FROM enrolment"),
    ("state_differs", "submission", "UPDATE enrolment SET status = 'withdrawn'"),
    ("state_differs", "submission", "DELETE FROM assignment"),
    ("state_differs", "submission", "UPDATE assignment SET cut_off_at = {epoch}"),
    ("state_differs", "submission", "DELETE FROM tutor"),
    ("state_differs", "submission", "DELETE FROM tutor_group"),
    ("script_differs", "marking", "UPDATE script SET taken_submission_id = '{ann1}', taken_version = 1"),
    (
        "script_differs",
        "marking",
        (
            "UPDATE script SET tutor_ref = (SELECT tutor_ref FROM script WHERE work_id = '{work_ben1}')"
            " WHERE work_id = '{work_ann1}'"
        ),
    ),
    (
        "script_differs",
        "marking",
        "UPDATE script SET state = 'allocated', collected_at = NULL WHERE state = 'collected'",
    ),
    (
        "script_differs",
        "marking",
        "UPDATE script SET state = 'held', waits_for = 'group', tutor_ref = NULL WHERE work_id = '{work_ann1}'",
    ),
    ("script_missing", "marking", "DELETE FROM script WHERE work_id = '{work_ann1}'"),
    ("question_missing", "marking", "DELETE FROM version_question"),
    ("question_differs", "marking", "UPDATE version_question SET earlier_submission_id = '{ann1}'"),
    ("question_differs", "marking", "UPDATE version_question SET state = 'superseded', closed_at = opened_at"),
    (
        "fact_missing",
        "marking",
        "UPDATE version_question SET state = 'kept', closed_at = opened_at, decided_by = 'somebody'",
    ),
    ("state_differs", "submission", "UPDATE version SET decision = 'taken' WHERE submission_id = '{ben2}'"),
    ("state_differs", "marking", "DELETE FROM known_member"),
    ("state_differs", "marking", "DELETE FROM known_group"),
    ("state_differs", "marking", "UPDATE known_group SET tutor_ref = NULL"),
    ("state_differs", "marking", "DELETE FROM known_assignment"),
    ("state_differs", "marking", "DELETE FROM known_person"),
    ("fact_unknown", "marking", "DELETE FROM outbox WHERE type LIKE '%ScriptAllocated%'"),
    ("state_differs", "marking", "DELETE FROM key_sequence"),
    (
        "delivery_differs",
        "notifier",
        (
            "UPDATE obligation SET delivery_id ="
            " (SELECT delivery_id FROM obligation WHERE purpose = 'version_question')"
            " WHERE purpose = 'receipt' AND submission_id = '{ann1}'"
        ),
    ),
    (
        "obligation_unknown",
        "notifier",
        (
            "INSERT INTO obligation SELECT 'zz', 'nowhere', event_type, correlation_id, person_ref, purpose, work_id,"
            " assignment_id, submission_id, parameters, created_at, state, waits_for, delivery_id"
            " FROM obligation LIMIT 1"
        ),
    ),
    ("obligation_unknown", "notifier", "UPDATE obligation SET purpose = 'script_moved' WHERE purpose = 'new_script'"),
    ("delivery_failed", "notifier", "UPDATE delivery SET state = 'failed'"),
    ("delivery_differs", "notifier", "UPDATE delivery SET state = 'suppressed', reason = 'no_address'"),
    ("delivery_missing", "notifier", "UPDATE delivery SET state = 'suppressed', reason = 'whatever'"),
    ("delivery_differs", "notifier", "UPDATE delivery SET person_ref = 'x'"),
    ("fact_unknown", "notifier", "DELETE FROM outbox"),
    ("state_differs", "notifier", "DELETE FROM person"),
    ("state_differs", "notifier", "UPDATE assignment SET title = 'Another'"),
    (
        "fact_missing",
        "operations",
        "DELETE FROM trail_event WHERE position > (SELECT max(position) FROM trail_event) - 3",
    ),
    ("trail_differs", "operations", "UPDATE trail_event SET payload = NULL WHERE type LIKE '%.marking.%'"),
    ("trail_differs", "operations", "UPDATE trail_event SET actor = 'tutor:evil'"),
    ("trail_differs", "operations", "UPDATE trail_event SET key = 'x'"),
    ("trail_differs", "operations", "UPDATE trail_event SET occurred_at = {epoch}"),
    ("trail_differs", "operations", "UPDATE trail_event SET sequence = 7 WHERE position = 5"),
    ("trail_differs", "operations", "UPDATE trail_event SET correlation_id = 'x'"),
    ("state_differs", "operations", "DELETE FROM work_stage"),
    ("state_differs", "operations", "DELETE FROM stage_count"),
    ("state_differs", "operations", "UPDATE stage_count SET count = count + 1"),
    ("state_differs", "identity", "UPDATE person SET revision = 9"),
)
"""What is wrong after a change of other rows."""


@pytest.mark.parametrize(("code", "service", "sql"), MORE)
def test_a_changed_row(damaged: Damaged, code: str, service: str, sql: str) -> None:
    damaged.change(service, sql)
    assert code in damaged.found()


def test_the_receipt_of_another_student_in_a_row(damaged: Damaged) -> None:
    damaged.keep("ben1")
    damaged.change(
        "submission",
        "UPDATE version SET receipt = (SELECT receipt FROM version WHERE submission_id = '{ben1}')"
        " WHERE submission_id = '{ann1}'",
    )
    assert damaged.found() == {Code.VERSION_DIFFERS}


def rechain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number and chain these rows of the trail anew."""
    chain = GENESIS
    rechained = []
    for position, row in enumerate(rows, start=1):
        chain = chained(chain, row["ce_id"], row["payload_sha256"], envelope_of(row))
        rechained.append({**row, "position": position, "chain": chain})
    return rechained


def forget(damaged: Damaged, service: str, name: str) -> None:
    """Remove facts as if they had never been said: from the outbox, and from the trail with a chain that holds."""
    damaged.change(service, "DELETE FROM outbox WHERE type LIKE '%.NAME.%'".replace("NAME", name))
    connection = sqlite3.connect(damaged.folder / "var" / "operations.db")
    connection.row_factory = sqlite3.Row
    kept = [dict(row) for row in connection.execute("SELECT * FROM trail_event ORDER BY position")]
    connection.execute("DELETE FROM trail_event")
    rechained = rechain([row for row in kept if f".{name}." not in row["type"]])
    for row in rechained:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO trail_event ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608
    connection.commit()
    connection.close()
    assert len(rechained) < len(kept)


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("submission", "SubmissionRefused"),
        ("submission", "EnrolmentRecorded"),
        ("marking", "VersionTaken"),
        ("marking", "VersionNotTaken"),
        ("marking", "ScriptAllocated"),
        ("marking", "ScriptHeld"),
        ("marking", "ScriptCollected"),
        ("notifier", "DeliverySent"),
        ("identity", "PersonRecorded"),
    ],
)
def test_a_fact_that_was_lost_before_anybody_heard_of_it(damaged: Damaged, service: str, name: str) -> None:
    forget(damaged, service, name)
    assert Code.FACT_MISSING in damaged.found()
