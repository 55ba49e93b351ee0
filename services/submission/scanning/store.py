"""How far each version is with the scanner, and who is at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.submission.scanning.domain import LEASE, Scan, ScanState
from services.submission.submissions.store import version_table
from services.submission.tables import metadata
from shared.columns import UtcDateTime
from shared.contracts import SubmissionReceived
from shared.database import Transaction, upsert
from shared.messaging.tables import erased_person

STEP = 500
"""How many rows one transaction makes or changes at the most."""

scan_table = sa.Table(
    "scan",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("submission_id", sa.Text, nullable=False, unique=True),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("arrived_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_since", UtcDateTime, nullable=False),
    sa.Column("signatures", sa.Text),
    sa.Column("finding", sa.Text, nullable=False),
    sa.Column("wanted_at", UtcDateTime),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text),
    sa.UniqueConstraint("work_id", "version", name="scan_of_version"),
    sa.CheckConstraint("state IN ('scanning','clean','blocked','unscannable')", name="scan_state"),
    sa.CheckConstraint("(state = 'scanning') = (signatures IS NULL)", name="scan_has_result"),
    sa.CheckConstraint("state <> 'scanning' OR wanted_at IS NOT NULL", name="scan_comes_to_an_end"),
    sa.CheckConstraint("holder IS NULL OR wanted_at IS NOT NULL", name="scan_lease_ends"),
    sa.Index("scan_arrived", "arrived_at"),
    sqlite_autoincrement=True,
)

_is_wanted = scan_table.c.wanted_at.is_not(None)
sa.Index(
    "scan_wanted",
    scan_table.c.state,
    scan_table.c.wanted_at,
    sqlite_where=_is_wanted,
    postgresql_where=_is_wanted,
)

IS_NOT_CLEAN: sa.ColumnElement[bool] = sa.literal_column("state <> 'clean'")
"""In the words of the index `scan_not_clean`, so that it is used."""

sa.Index(
    "scan_not_clean",
    scan_table.c.state,
    scan_table.c.state_since,
    sqlite_where=IS_NOT_CLEAN,
    postgresql_where=IS_NOT_CLEAN,
)

_EXPECTED = ("submission_id", "work_id", "version", "arrived_at")
_OF_VERSION = ("assignment_id", "presentation_id", "person_ref", "object_key", "object_version")
_CHANGES = ("state", "state_since", "signatures", "finding", "wanted_at", "failures", "holder")


class ScanStore:
    """Each call is one statement, or two."""

    def expect(self, received: SubmissionReceived, tx: Transaction) -> None:
        """The version is to be scanned at once."""
        row = received.model_dump(include=set(_EXPECTED))
        self._add([row], tx)

    def adopt(self, after: int, tx: Transaction) -> int:
        """Expect those of the next versions beyond this position that nobody expects; the last position looked at.

        0 when there are no more. The files of who was erased are gone, or go.
        """
        c = version_table.c
        is_erased = c.person_ref.in_(sa.select(erased_person.c.person_ref)).label("is_erased")
        page = sa.select(c.position, c.submission_id, c.work_id, c.version, c.arrived_at, is_erased)
        rows = tx.connection.execute(page.where(c.position > after).order_by(c.position).limit(STEP)).mappings().all()
        self._add([{name: row[name] for name in _EXPECTED} for row in rows if not row["is_erased"]], tx)
        return rows[-1]["position"] if rows else 0

    def _add(self, rows: Sequence[Mapping[str, object]], tx: Transaction) -> None:
        fresh = {
            "state": "scanning",
            "state_since": tx.now,
            "signatures": None,
            "finding": "",
            "wanted_at": tx.now,
            "failures": 0,
            "holder": None,
        }
        tx.write(upsert(scan_table, key=["submission_id"], update=()), [dict(row) | fresh for row in rows])

    def claim(self, holder: str, tx: Transaction) -> Scan | None:
        """One that is due, for as long as a lease; what was never scanned comes first.

        A row that another transaction has in hand is passed over.
        """
        for state in (scan_table.c.state == "scanning", scan_table.c.state != "scanning"):
            due = sa.select(scan_table.c.submission_id).where(_is_wanted, scan_table.c.wanted_at <= tx.now, state)
            first = due.order_by(scan_table.c.wanted_at).limit(1)
            chosen = tx.connection.scalar(first.with_for_update(skip_locked=True))
            if chosen is not None:
                self._change(chosen, tx, holder=holder, wanted_at=tx.now + LEASE)
                return self.held(chosen, holder, tx)
        return None

    def held(self, submission_id: str, holder: str, tx: Transaction) -> Scan | None:
        """The scan as it is now; None when this holder does not have it any more."""
        joined = sa.select(scan_table, *(version_table.c[name] for name in _OF_VERSION)).join(
            version_table, version_table.c.submission_id == scan_table.c.submission_id
        )
        own = joined.where(scan_table.c.submission_id == submission_id, scan_table.c.holder == holder)
        row = tx.connection.execute(own).mappings().one_or_none()
        return _scan(row) if row else None

    def save(self, scan: Scan, tx: Transaction) -> None:
        """Write what changed of it."""
        changes = {name: getattr(scan, name) for name in _CHANGES}
        self._change(scan.submission_id, tx, **changes | {"state": str(scan.state)})

    def _change(self, submission_id: str, tx: Transaction, **changes: object) -> None:
        tx.connection.execute(sa.update(scan_table).where(scan_table.c.submission_id == submission_id).values(changes))

    def want_stale(self, signatures: str, since: datetime, tx: Transaction) -> int:
        """Want again what arrived since then and was scanned last with other signatures; how many, `STEP` at most."""
        c = scan_table.c
        stale = sa.select(c.submission_id).where(
            c.arrived_at >= since, c.signatures != signatures, c.wanted_at.is_(None), _has_file()
        )
        chosen = list(tx.connection.scalars(stale.order_by(c.arrived_at.desc()).limit(STEP)))
        return self._want(c.submission_id.in_(chosen), tx) if chosen else 0

    def want(self, submission_id: str, tx: Transaction) -> int:
        """Want this one again; 0 when there is none."""
        return self._want(scan_table.c.submission_id == submission_id, tx)

    def want_all(self, state: ScanState, tx: Transaction) -> int:
        """Want all of this state again; how many."""
        return self._want(scan_table.c.state == str(state), tx)

    def _want(self, chosen: sa.ColumnElement[bool], tx: Transaction) -> int:
        wanted = sa.update(scan_table).where(chosen, scan_table.c.holder.is_(None), _has_file())
        return tx.connection.execute(wanted.values(wanted_at=tx.now, failures=0)).rowcount

    def free_all(self, tx: Transaction) -> None:
        """Nobody is at any: those who were are gone."""
        held = sa.update(scan_table).where(scan_table.c.holder.is_not(None))
        tx.connection.execute(held.values(holder=None, wanted_at=tx.now))


def forget_scans(person_refs: Sequence[str], tx: Transaction) -> None:
    """Scan nothing of these persons any more: their files are deleted. What results there were, stay."""
    own = sa.select(version_table.c.submission_id).where(version_table.c.person_ref.in_(person_refs))
    of_them = scan_table.c.submission_id.in_(own)
    tx.connection.execute(sa.delete(scan_table).where(of_them, scan_table.c.state == "scanning"))
    tx.connection.execute(sa.update(scan_table).where(of_them, _is_wanted).values(wanted_at=None, holder=None))


def _has_file() -> sa.ColumnElement[bool]:
    """Whether the version is of nobody who was erased."""
    erased = sa.select(erased_person.c.person_ref)
    gone = (version_table.c.submission_id == scan_table.c.submission_id, version_table.c.person_ref.in_(erased))
    return ~sa.exists().where(*gone)


def _scan(row: sa.RowMapping) -> Scan:
    known: dict[str, Any] = {name: value for name, value in row.items() if name not in {"position", "arrived_at"}}
    return Scan(**{**known, "state": ScanState(row["state"])})
