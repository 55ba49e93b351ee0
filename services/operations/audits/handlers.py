"""Asking for an audit, and the loop that does it: one at a time, however many processes there are."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from services.operations.audits.domain import LEASE, Outcome, Part, Run, concluded, failed
from services.operations.audits.store import AuditStore
from services.operations.audits.views import AuditViews
from services.operations.reconciliation.domain.model import Report
from services.operations.reconciliation.handlers import Audit, Objects, Question, ReadMail, Verify
from shared.clock import Clock
from shared.database import Context, Database, Transaction
from shared.errors import EtmaError, public_name
from shared.inspection import PAGE, Inspection
from shared.killpoints import kill_point
from shared.storage.port import StoredEntry

KEY = "audit-runs"
"""Whoever changes the runs locks this."""
RENEW = LEASE / 4

log = structlog.get_logger()


class Stopped(Exception):
    """The process is to end; another takes the run up."""


class TakenOver(Exception):
    """The lease was over and the run has ended for everybody else."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What an audit reads in this process; None for what it cannot have."""

    inspections: Mapping[str, Inspection]
    objects: Objects | None
    verify: Verify | None
    read_mail: ReadMail | None


class AuditRuns:
    """The runs as they are asked for, taken up and ended.

    `clock` is the machine's, also in a replay: a lease and the length of a run are nothing of simulated time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.store = AuditStore()
        self.views = AuditViews(database)

    def ask(self, *, actor: str) -> bool:
        """Have an audit done soon; False when one is under way already, and then no other is begun."""
        with self._locked(actor) as tx:
            self._cut_off_lapsed(tx)
            if self.store.is_under_way(tx):
                return False
            self.store.ask(actor, self.clock.now(), tx)
            return True

    def claim(self) -> Run | None:
        """Take up what was asked for; None when nothing was. Notes on the way that a run has lost its process."""
        if not self.views.is_to_be_done(self.clock.now()):
            return None
        holder = str(uuid.uuid4())
        with self._locked() as tx:
            self._cut_off_lapsed(tx)
            number = self.store.claim(holder, self.clock.now(), tx)
        return None if number is None else next(run for run in self.newest() if run.number == number)

    def newest(self) -> list[Run]:
        """All that are kept, as they are now, the newest first."""
        return list(self.views.newest(self.clock.now()))

    def renew(self, run: Run) -> None:
        """Hold it for as long again; raises `TakenOver`."""
        with self._locked() as tx:
            if not self.store.renew(run, self.clock.now(), tx):
                raise TakenOver

    def let_go(self, run: Run) -> None:
        """Let another process take it up, from the beginning."""
        with self._locked() as tx:
            self.store.let_go(run, tx)

    def end(self, run: Run, outcome: Outcome) -> None:
        """Write how it ended; raises `TakenOver`, and then nothing is written."""
        with self._locked() as tx:
            if not self.store.end(run, outcome, self.clock.now(), tx):
                raise TakenOver

    def free_all(self) -> None:
        """For a start at which nobody else is there: what ran was cut off."""
        with self._locked() as tx:
            self.store.cut_off(self.clock.now(), tx)

    def _cut_off_lapsed(self, tx: Transaction) -> None:
        now = self.clock.now()
        if self.store.cut_off(now, tx, lapsed_by=now):
            log.warning("audit.cut_off")

    @contextmanager
    def _locked(self, actor: str = "system") -> Iterator[Transaction]:
        with self.database.transaction(Context(actor=actor)) as tx:
            tx.lock(KEY)
            yield tx


class AuditLoop:
    """Does one audit that was asked for. It reads only, and nobody waits for it but who asked."""

    name = "operations.audits"

    def __init__(self, runs: AuditRuns, sources: Callable[[], Sources], question: Callable[[], Question]) -> None:
        self.runs = runs
        self.sources = sources
        self.question = question

    def step(self, stop: threading.Event) -> bool:
        """Do one; whether there was one. Raises `Unavailable` when its own database is away."""
        run = self.runs.claim()
        if run is None:
            return False
        kill_point("audit.taken")
        log.info("audit.started", number=run.number, asked_by=run.asked_by)
        try:
            outcome = self._outcome(_GoingOn(self.runs, run, stop))
            self.runs.end(run, outcome)
            log.info("audit.ended", number=run.number, state=str(outcome.state), kinds=dict(outcome.kinds))
        except Stopped:
            self.runs.let_go(run)
        except TakenOver:
            log.warning("audit.taken_over", number=run.number)
        return True

    def _outcome(self, going_on: _GoingOn) -> Outcome:
        try:
            sources = self.sources()
            return _concluded(going_on.audit_of(sources).run(self.question()), sources)
        except (Stopped, TakenOver):
            raise
        except EtmaError as error:
            return failed(error.detail)
        except OSError as error:
            return failed(str(error))
        except Exception as error:
            reference = uuid.uuid4().hex[:8]
            log.exception("audit.broke", number=going_on.run.number, reference=reference)
            return failed(f"The audit itself failed: {public_name(error)}. The log has more under {reference}.")


def _concluded(report: Report, sources: Sources) -> Outcome:
    looked_at = {
        Part.FILES: sources.objects is not None,
        Part.SIGNATURES: sources.verify is not None,
        Part.MAIL: "messages" in report.counts,
    }
    return concluded(report, [part for part, is_seen in looked_at.items() if not is_seen])


class _GoingOn:
    """Called between any two pieces that are read: ends the run when the process is to end, and renews its lease."""

    def __init__(self, runs: AuditRuns, run: Run, stop: threading.Event) -> None:
        self.runs = runs
        self.run = run
        self.stop = stop
        self._renewed = runs.clock.now()

    def __call__(self) -> None:
        if self.stop.is_set():
            raise Stopped
        now = self.runs.clock.now()
        if now >= self._renewed + RENEW:
            self.runs.renew(self.run)
            self._renewed = now

    def audit_of(self, sources: Sources) -> Audit:
        """An audit that calls this on its way."""
        inspections = {name: _Watched(each, self) for name, each in sources.inspections.items()}
        objects = None if sources.objects is None else _WatchedObjects(sources.objects, self)
        return Audit(inspections, objects, sources.verify, sources.read_mail)


class _Watched:
    """See `shared.inspection.Inspection`."""

    def __init__(self, inspection: Inspection, going_on: _GoingOn) -> None:
        self.inspection = inspection
        self.going_on = going_on

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        self.going_on()
        return self.inspection.facts(kind, after=after, limit=limit)

    def status(self) -> dict[str, object]:
        self.going_on()
        return self.inspection.status()


class _WatchedObjects:
    """See `Objects`."""

    def __init__(self, objects: Objects, going_on: _GoingOn) -> None:
        self.objects = objects
        self.going_on = going_on

    def walk(self) -> Iterator[StoredEntry]:
        for entry in self.objects.walk():
            self.going_on()
            yield entry

    def read(self, key: str, version: str) -> Iterator[bytes]:
        for piece in self.objects.read(key, version):
            self.going_on()
            yield piece
