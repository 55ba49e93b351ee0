"""The runs that are kept; at most one of them is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from services.operations.audits.domain import KEPT_RUNS, LEASE, Outcome, Run, RunState
from services.operations.tables import metadata
from shared.database import Transaction, UtcDateTime, insertion

runs = sa.Table(
    "audit_run",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("under_way", sa.Integer, unique=True),
    sa.Column("holder", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("facts", sa.BigInteger),
    sa.Column("kinds", sa.JSON, nullable=False),
    sa.Column("findings", sa.JSON, nullable=False),
    sa.Column("left_out", sa.JSON, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.CheckConstraint("state IN ('asked','running','finished','failed','cut_off')", name="audit_run_state"),
    sa.CheckConstraint("(state IN ('asked','running')) = (under_way IS NOT NULL)", name="audit_run_under_way"),
    sa.CheckConstraint("under_way IS NULL OR under_way = 1", name="audit_run_only_one"),
    sa.CheckConstraint("(state = 'running') = (holder IS NOT NULL)", name="audit_run_held"),
    sa.CheckConstraint("(holder IS NULL) = (lease_until IS NULL)", name="audit_run_lease_ends"),
    sqlite_autoincrement=True,
)

_FREE: Mapping[str, object] = {"holder": None, "lease_until": None}
_IS_OVER: Mapping[str, object] = {"under_way": None, **_FREE}


class AuditStore:
    """Each call is one statement, or two; the caller has locked the runs."""

    def is_under_way(self, tx: Transaction) -> bool:
        """Whether a run is asked for or runs."""
        return bool(tx.connection.scalar(sa.select(sa.exists().where(runs.c.under_way.is_not(None)))))

    def ask(self, actor: str, now: datetime, tx: Transaction) -> None:
        """Write one down, and forget those that are too many."""
        empty = {"kinds": {}, "findings": [], "left_out": [], "problem": ""}
        row = {"asked_at": now, "asked_by": actor, "state": str(RunState.ASKED), "under_way": 1, **empty}
        tx.write(insertion(runs), [row])
        newest = sa.select(runs.c.number).order_by(runs.c.number.desc()).limit(KEPT_RUNS)
        tx.connection.execute(sa.delete(runs).where(runs.c.number.not_in(newest)))

    def cut_off(self, now: datetime, tx: Transaction, *, lapsed_by: datetime | None = None) -> int:
        """End the run whose lease was over by that moment (None: whenever it is over); how many there were."""
        running = runs.c.state == str(RunState.RUNNING)
        lapsed = running if lapsed_by is None else sa.and_(running, runs.c.lease_until <= lapsed_by)
        ended = {"state": str(RunState.CUT_OFF), "ended_at": now, **_IS_OVER}
        return tx.connection.execute(sa.update(runs).where(lapsed).values(ended)).rowcount

    def claim(self, holder: str, now: datetime, tx: Transaction) -> int | None:
        """The number of the run that was asked for, which is this holder's now; None when there is none."""
        number = tx.connection.scalar(sa.select(runs.c.number).where(runs.c.state == str(RunState.ASKED)))
        if number is not None:
            taken = {"state": str(RunState.RUNNING), "holder": holder, "lease_until": now + LEASE, "started_at": now}
            tx.connection.execute(sa.update(runs).where(runs.c.number == number).values(taken))
        return number

    def renew(self, run: Run, now: datetime, tx: Transaction) -> bool:
        """Hold it for as long again; whether this holder still has it."""
        return self._change(run, {"lease_until": now + LEASE}, tx)

    def let_go(self, run: Run, tx: Transaction) -> bool:
        """Let another take it up from the beginning; whether this holder still had it."""
        return self._change(run, {"state": str(RunState.ASKED), "started_at": None, **_FREE}, tx)

    def end(self, run: Run, outcome: Outcome, now: datetime, tx: Transaction) -> bool:
        """Write how it ended; whether this holder still had it."""
        said = {
            "state": str(outcome.state),
            "ended_at": now,
            "facts": outcome.facts,
            "kinds": dict(outcome.kinds),
            "findings": [asdict(finding) for finding in outcome.findings],
            "left_out": [str(part) for part in outcome.left_out],
            "problem": outcome.problem,
        }
        return self._change(run, {**said, **_IS_OVER}, tx)

    def _change(self, run: Run, changes: Mapping[str, object], tx: Transaction) -> bool:
        own = sa.and_(runs.c.number == run.number, runs.c.holder == run.holder)
        return tx.connection.execute(sa.update(runs).where(own).values(changes)).rowcount == 1
