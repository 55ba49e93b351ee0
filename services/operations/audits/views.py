"""The runs as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from services.operations.audits.domain import Finding, Outcome, Part, Run, RunState, as_it_is
from services.operations.audits.store import runs
from shared.database import Database

_IN_SHORT = [column for column in runs.c if column.name != "findings"]


class AuditViews:
    """Read-only. A run is shown as it is `now`, even before anybody noted that it was cut off."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def newest(self, now: datetime) -> Sequence[Run]:
        """All that are kept, the newest first, without their findings."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(*_IN_SHORT).order_by(runs.c.number.desc())).mappings().all()
        return [as_it_is(_run(row), now=now) for row in rows]

    def findings(self, number: int) -> Sequence[Finding]:
        """What is kept of what a run found."""
        with self.database.reading() as connection:
            rows = connection.scalar(sa.select(runs.c.findings).where(runs.c.number == number))
        return [Finding(**row) for row in rows or ()]

    def is_to_be_done(self, now: datetime) -> bool:
        """Whether a run is asked for, or has lost its process."""
        lapsed = sa.and_(runs.c.state == str(RunState.RUNNING), runs.c.lease_until <= now)
        wanted = sa.exists().where(sa.or_(runs.c.state == str(RunState.ASKED), lapsed))
        with self.database.reading() as connection:
            return bool(connection.scalar(sa.select(wanted)))


def _run(row: sa.RowMapping) -> Run:
    outcome = Outcome(
        state=RunState(row["state"]),
        facts=row["facts"],
        kinds=row["kinds"],
        left_out=[Part(each) for each in row["left_out"]],
        problem=row["problem"],
    )
    names = ("number", "asked_at", "asked_by", "holder", "lease_until", "started_at", "ended_at")
    return Run(outcome=outcome, **{name: row[name] for name in names})
