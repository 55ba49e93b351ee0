"""Scripts and the ruling on each version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from services.marking.allocation.domain import Script, ScriptState
from services.marking.tables import metadata
from shared.columns import UtcDateTime
from shared.contracts import HoldReason, LatenessCorrected, SubmissionReceived
from shared.database import Transaction, insertion, upsert

CHUNK = 500

script_table = sa.Table(
    "script",
    metadata,
    sa.Column("work_id", sa.Text, primary_key=True),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False),
    sa.Column("state", sa.Text, sa.CheckConstraint("state IN ('held','allocated','collected')"), nullable=False),
    sa.Column("taken_submission_id", sa.Text, nullable=False),
    sa.Column("taken_version", sa.Integer, nullable=False),
    sa.Column("waits_for", sa.Text),
    sa.Column("group_id", sa.Text),
    sa.Column("tutor_ref", sa.Text),
    sa.Column("state_since", UtcDateTime, nullable=False),
    sa.Column("collected_at", UtcDateTime),
    sa.UniqueConstraint("assignment_id", "person_ref", name="script_of_student"),
    sa.CheckConstraint("(state = 'held') = (waits_for IS NOT NULL)", name="script_hold_has_reason"),
    sa.CheckConstraint("(state = 'held') = (tutor_ref IS NULL)", name="script_has_tutor"),
    sa.Index("script_of_tutor", "tutor_ref", "assignment_id", "work_id"),
    sa.Index("script_of_person", "person_ref"),
)

ruling_table = sa.Table(
    "ruling",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("submission_id", sa.Text, nullable=False, unique=True),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("ruling", sa.Text, sa.CheckConstraint("ruling IN ('taken','not_taken')"), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("object_version", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("band", sa.Text, nullable=False),
    sa.Column("arrived_at", UtcDateTime, nullable=False),
    sa.Column("ruled_at", UtcDateTime, nullable=False),
    sa.Column("corrected_band", sa.Text),
    sa.Column("scan_outcome", sa.Text),
    sa.UniqueConstraint("work_id", "version", name="ruling_of_version"),
    sqlite_autoincrement=True,
)

_COLUMNS = [field.name for field in fields(Script)]


class ScriptStore:
    """Bulk reads and writes inside the caller's transaction."""

    def of_works(self, work_ids: Sequence[str], tx: Transaction) -> dict[str, Script]:
        return {script.work_id: script for script in self._where(script_table.c.work_id, work_ids, tx)}

    def open_of_persons(self, person_refs: Sequence[str], tx: Transaction) -> list[Script]:
        """Scripts of these students of which no tutor has ever collected a version."""
        found = self._where(script_table.c.person_ref, person_refs, tx)
        return [script for script in found if script.collected_at is None]

    def _where(self, column: sa.Column[Any], values: Sequence[str], tx: Transaction) -> Iterable[Script]:
        for start in range(0, len(values), CHUNK):
            query = sa.select(script_table).where(column.in_(values[start : start + CHUNK]))
            for row in tx.connection.execute(query).mappings():
                yield _script(row)

    def save_all(self, scripts: Iterable[Script], tx: Transaction) -> None:
        """Insert or replace."""
        names = [name for name in _COLUMNS if name != "work_id"]
        tx.write(upsert(script_table, key=["work_id"], update=names), [_row(script) for script in scripts])

    def add_rulings(self, ruled: Sequence[tuple[SubmissionReceived, str, str | None]], tx: Transaction) -> None:
        """Write the ruling (`taken` or `not_taken`, and why) of each version, once."""
        wanted = {
            "submission_id",
            "work_id",
            "version",
            "object_key",
            "object_version",
            "media_type",
            "size_bytes",
            "sha256",
            "arrived_at",
        }
        rows = [
            fact.model_dump(include=wanted)
            | {"band": str(fact.band), "ruling": ruling, "reason": reason, "ruled_at": tx.now}
            for fact, ruling, reason in ruled
        ]
        tx.write(insertion(ruling_table), rows)

    def correct(self, corrected: Sequence[LatenessCorrected], tx: Transaction) -> None:
        """Note how these versions stand to their cut-off now; of several corrections of one, the last counts."""
        _note(ruling_table.c.corrected_band, {fact.submission_id: str(fact.band) for fact in corrected}, tx)

    def note_outcomes(self, outcomes: Mapping[str, str], tx: Transaction) -> None:
        """Note what the search for malware ended with last, by submission."""
        _note(ruling_table.c.scan_outcome, outcomes, tx)


def _note(column: sa.Column[Any], values: Mapping[str, str], tx: Transaction) -> None:
    """Write a value of each of these versions, by submission."""
    which = ruling_table.c.submission_id == sa.bindparam("which")
    statement = sa.update(ruling_table).where(which).values({column: sa.bindparam("what")})
    tx.connection.execute(statement, [{"which": which, "what": what} for which, what in values.items()])


def _script(row: sa.RowMapping) -> Script:
    waits_for = HoldReason(row["waits_for"]) if row["waits_for"] else None
    return Script(**{**dict(row), "state": ScriptState(row["state"]), "waits_for": waits_for})


def _row(script: Script) -> dict[str, object]:
    waits_for = str(script.waits_for) if script.waits_for else None
    row = {name: getattr(script, name) for name in _COLUMNS}  # `asdict` copies every value deeply
    return row | {"state": str(script.state), "waits_for": waits_for}
