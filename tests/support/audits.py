"""Runs of the audit as another process would have them in hand."""

from __future__ import annotations

from services.operations.audits.domain import Outcome, Run
from services.operations.audits.handlers import KEY, AuditRuns
from shared.clock import SystemClock
from shared.database import Database

SOMEBODY = "operations:somebody"


def runs_in(database: Database) -> AuditRuns:
    """The runs of a system that works by the machine's clock."""
    return AuditRuns(database, SystemClock())


def taken(runs: AuditRuns) -> Run:
    """One that is asked for and taken up at once, so that no other process gets it."""
    with runs.database.transaction() as tx:
        tx.lock(KEY)
        runs.store.ask(SOMEBODY, runs.clock.now(), tx)
        number = runs.store.claim("another process", runs.clock.now(), tx)
    return next(run for run in runs.newest() if run.number == number)


def ended(runs: AuditRuns, outcome: Outcome) -> None:
    """One that another process has brought to this end."""
    runs.end(taken(runs), outcome)
