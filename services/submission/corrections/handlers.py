"""Holds what was handed in against a cut-off that changed, of all or of one, and says by signed rulings what it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.submission.catalogue.domain import CUT_OFF_MOVED, Assignment
from services.submission.catalogue.views import CatalogueViews
from services.submission.corrections.store import CorrectionStore
from services.submission.deadlines.domain import RULE_WORK_AGAIN, Deadline, rule_anew
from services.submission.deadlines.views import Deadlines
from services.submission.receipts.domain import StatementType
from services.submission.receipts.handlers import KeyRing
from shared.contracts import Band, CorrectionReason, LatenessCorrected, SubmissionStatus
from shared.database import Transaction
from shared.timers import Timer, TimerHandler, Timers

CHUNK = 200
"""How many versions are held against their cut-offs in one transaction at the most."""

AGAIN = timedelta(minutes=10)
"""When all are looked at a second time: by then what was being handed in while the cut-off moved has ended."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A run of versions of one assignment, and the timer under which they are looked at."""

    timer: Timer
    assignment: Assignment
    versions: Sequence[Any]
    limit: int


class Corrections:
    """Rule anew, in steps, on the versions of an assignment whose cut-off was moved, and on those of one work.

    Repeated, it changes nothing.
    """

    def __init__(
        self,
        store: CorrectionStore,
        catalogue: CatalogueViews,
        deadlines: Deadlines,
        signer: KeyRing,
        *,
        issuer: str,
    ) -> None:
        self.store = store
        self.catalogue = catalogue
        self.deadlines = deadlines
        self.signer = signer
        self.issuer = issuer
        self.timers = Timers()

    def table(self) -> Mapping[str, TimerHandler]:
        return {CUT_OFF_MOVED: self.fire, RULE_WORK_AGAIN: self.fire_works}

    def fire(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """Rule on the next versions of each assignment, and set a timer for those that are left."""
        tx.lock(*(version.work_id for step in self._steps(timers, tx) for version in step.versions))
        steps = list(self._steps(timers, tx))
        self._say([fact for step in steps for fact in self._corrected(step, tx)], tx)
        for step in steps:
            self._go_on(step, tx)

    def fire_works(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """Rule on all versions of each work, for the reason that its timer gives."""
        tx.lock(*(timer.key for timer in timers))
        for timer in timers:
            versions = self.store.versions_of_work(timer.key, tx)
            assignment = self.catalogue.assignment(tx.connection, versions[0].assignment_id) if versions else None
            if assignment is not None:
                deadline = self.deadlines.of(tx.connection, assignment, timer.key)
                reason = CorrectionReason(str(timer.payload["reason"]))
                revision = int(str(timer.payload["revision"]))
                corrected = [_corrected(version, deadline, reason, tx, revision=revision) for version in versions]
                self._say([fact for fact in corrected if fact is not None], tx)

    def _say(self, facts: Sequence[LatenessCorrected], tx: Transaction) -> None:
        self.store.add([self._row(fact, tx) for fact in facts], tx)
        tx.publish_all(facts)

    def _steps(self, timers: Sequence[Timer], tx: Transaction) -> Iterator[Step]:
        left = CHUNK
        for timer in timers:
            assignment = self.catalogue.assignment(tx.connection, timer.key)
            if assignment is not None:
                after = int(str(timer.payload.get("after", 0)))
                versions = self.store.versions(timer.key, after=after, limit=left, tx=tx) if left else []
                yield Step(timer=timer, assignment=assignment, versions=versions, limit=left)
                left -= len(versions)

    def _corrected(self, step: Step, tx: Transaction) -> Iterator[LatenessCorrected]:
        deadlines = self.deadlines.of_works(
            tx.connection, {version.work_id: step.assignment for version in step.versions}
        )
        for version in step.versions:
            fact = _corrected(version, deadlines[version.work_id], CorrectionReason.CUT_OFF_MOVED, tx)
            if fact is not None:
                yield fact

    def _row(self, fact: LatenessCorrected, tx: Transaction) -> dict[str, object]:
        claims = ruling_claims(fact, issuer=self.issuer, simulated=tx.simulated)
        row = fact.model_dump(exclude={"version", "assignment_id", "presentation_id", "person_ref"})
        words = {"band": str(fact.band), "band_before": str(fact.band_before), "reason": str(fact.reason)}
        return row | words | {"statement": self.signer.sign(claims, tx, StatementType.RULING)}

    def _go_on(self, step: Step, tx: Transaction) -> None:
        again = bool(step.timer.payload.get("again", True))
        after, due_at = step.timer.payload.get("after", 0), tx.now
        if len(step.versions) < step.limit:
            if not again:
                return
            after, again, due_at = 0, False, tx.now + AGAIN
        elif step.versions:
            after = step.versions[-1].position
        payload = {"after": after, "again": again}
        self.timers.set(tx, kind=step.timer.kind, key=step.timer.key, due_at=due_at, payload=payload)


def _corrected(
    version: Any,  # noqa: ANN401 - a row
    deadline: Deadline,
    reason: CorrectionReason,
    tx: Transaction,
    *,
    revision: int | None = None,
) -> LatenessCorrected | None:
    """What is to be said of a version, None while its ruling holds; `revision` is of what changed if no cut-off did."""
    before = Band(version.corrected_band or version.band)
    band = rule_anew(version.arrived_at, SubmissionStatus(version.status), deadline)
    ended = band is Band.REFUSED and reason is CorrectionReason.CUT_OFF_MOVED
    if band is before or ended:  # that a request has ended, a timer of its own says
        return None
    return LatenessCorrected(
        work_id=version.work_id,
        submission_id=version.submission_id,
        version=version.version,
        assignment_id=version.assignment_id,
        presentation_id=version.presentation_id,
        person_ref=version.person_ref,
        receipt_id=version.receipt_id,
        ruling_id=str(uuid.uuid4()),
        band_before=before,
        band=band,
        cut_off_at=deadline.cut_off.cut_off_at,
        cut_off_revision=deadline.cut_off.revision if revision is None else revision,
        reason=reason,
        corrected_at=tx.now,
    )


def ruling_claims(fact: LatenessCorrected, *, issuer: str, simulated: bool) -> dict[str, object]:
    """What a ruling says; `receipt` is the `jti` of the receipt that it corrects."""
    claims: dict[str, object] = {
        "iss": issuer,
        "jti": fact.ruling_id,
        "iat": int(fact.corrected_at.timestamp()),
        "receipt": fact.receipt_id,
        "work": fact.work_id,
        "submission_id": fact.submission_id,
        "version": fact.version,
        "assignment": fact.assignment_id,
        "student": fact.person_ref,
        "ruling_before": str(fact.band_before),
        "ruling": str(fact.band),
        "cut_off_at": fact.cut_off_at.isoformat(),
        "cut_off_revision": fact.cut_off_revision,
        "reason": str(fact.reason),
        "corrected_at": fact.corrected_at.isoformat(),
    }
    return claims | ({"simulated": True} if simulated else {})
