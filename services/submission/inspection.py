"""What submission tells operations.

Kinds `versions`, `scans`, `refusals`, `corrections` and `orphans`, of the catalogue `assignments`, `enrolments`,
`tutors` and `groups`, and `outbox` and `counters`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from services.submission.catalogue.store import (
    KEYS,
    assignment_table,
    enrolment_table,
    group_table,
    tutor_table,
)
from services.submission.receipts.store import ruling_statement_table
from services.submission.scanning.store import scan_table
from services.submission.submissions.store import refusal_table, version_table
from services.submission.upload.store import orphan_table
from shared.database import Database
from shared.inspection import MESSAGING_KINDS, PAGE, check_kind, messaging_status, number_of, numbered_row
from shared.messaging.bus import LogEnds

_HIDDEN = frozenset({"file_name", "idempotency_key"})
_NUMBERED = {
    "versions": version_table,
    "scans": scan_table,
    "refusals": refusal_table,
    "corrections": ruling_statement_table,
}
_CATALOGUE = {
    "assignments": assignment_table,
    "enrolments": enrolment_table,
    "tutors": tutor_table,
    "groups": group_table,
}


class SubmissionInspection:
    """See `shared.inspection.Inspection`."""

    def __init__(self, database: Database, log: LogEnds, scans: Callable[[], Mapping[str, object]] = dict) -> None:
        self.database = database
        self.log = log
        self.scans = scans

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        check_kind(kind, ("orphans", *_NUMBERED, *_CATALOGUE, *MESSAGING_KINDS))
        if kind in MESSAGING_KINDS:
            return MESSAGING_KINDS[kind](self.database, after=after, limit=limit)
        with self.database.reading() as connection:
            return [
                numbered_row(row, hidden=_HIDDEN)
                for row in connection.execute(_query(kind, after).limit(limit)).mappings()
            ]

    def status(self) -> dict[str, object]:
        return {**self.scans(), **messaging_status(self.database, self.log)}


def _query(kind: str, after: str) -> sa.Select[Any]:
    if kind == "orphans":
        return _orphans(after)
    return _of_catalogue(_CATALOGUE[kind], after) if kind in _CATALOGUE else _numbered(_NUMBERED[kind], after)


def _orphans(after: str) -> sa.Select[Any]:
    position = orphan_table.c.object_key + "@" + orphan_table.c.object_version
    return sa.select(orphan_table, position.label("position")).where(position > after).order_by(position)


def _numbered(table: sa.Table, after: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.position > number_of(after)).order_by(table.c.position)


def _of_catalogue(table: sa.Table, after: str) -> sa.Select[Any]:
    key = table.c[KEYS[table]]
    return sa.select(table, key.label("position")).where(key > after).order_by(key)
