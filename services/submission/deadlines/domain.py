"""The only ruler of lateness: how a moment of arrival stands to a cut-off.

The university's rule: cut-off at noon UK time; a grace period to the next local midnight, exclusive; after that the
assignment's late policy decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from services.submission.catalogue.domain import Assignment, next_midnight
from shared.contracts import AssignmentKind, Band, LatePolicy, SubmissionStatus

RULE_WORK_AGAIN = "submission.rule_work_again"
"""The kind of timer, by work, that is set when something changed of what this one work is ruled by."""


@dataclass(frozen=True, kw_only=True)
class CutOff:
    """What one student's work on one assignment is held against."""

    cut_off_at: datetime
    grace_ends_at: datetime
    late_policy: LatePolicy
    kind: AssignmentKind
    revision: int


@dataclass(frozen=True, kw_only=True)
class OwnCutOff:
    """A cut-off of one piece of work, by an agreement."""

    cut_off_at: datetime
    grace_ends_at: datetime
    revision: int


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """What one student's work is held against, and until when, exclusive, an open request for more time protects it."""

    cut_off: CutOff
    protected_until: datetime | None = None

    def protects(self, arrived_at: datetime) -> bool:
        return self.protected_until is not None and arrived_at < self.protected_until


def cut_off_of(assignment: Assignment, own: OwnCutOff | None = None) -> CutOff:
    """The effective cut-off: the assignment's, or the agreed one while that is later."""
    base = CutOff(
        cut_off_at=assignment.cut_off_at,
        grace_ends_at=assignment.grace_ends_at,
        late_policy=assignment.late_policy,
        kind=assignment.kind,
        revision=assignment.revision,
    )
    if own is None or own.cut_off_at <= base.cut_off_at:
        return base
    return replace(base, cut_off_at=own.cut_off_at, grace_ends_at=own.grace_ends_at, revision=own.revision)


def admit(arrived_at: datetime, deadline: Deadline) -> tuple[Band, SubmissionStatus]:
    """The band of an arrival, and whether an answer to a request is still to decide on it; it may be `REFUSED`."""
    band = rule(arrived_at, deadline.cut_off)
    if band is Band.REFUSED and deadline.protects(arrived_at):
        return rule_again(arrived_at, deadline.cut_off), SubmissionStatus.PENDING_REQUEST
    return band, SubmissionStatus.ACCEPTED


def rule(arrived_at: datetime, cut_off: CutOff) -> Band:
    """The band of an arrival: at the cut-off is on time, at midnight is after grace; a dummy TMA is never late."""
    if cut_off.kind is AssignmentKind.DUMMY or arrived_at <= cut_off.cut_off_at:
        return Band.ON_TIME
    if arrived_at < cut_off.grace_ends_at:
        return Band.GRACE
    return _after_grace(arrived_at, cut_off)


def rule_again(arrived_at: datetime, cut_off: CutOff) -> Band:
    """The band of work that was received, under another cut-off: late at the worst, never refused any more."""
    band = rule(arrived_at, cut_off)
    if band is not Band.REFUSED:
        return band
    return Band.PENALISED if cut_off.late_policy is LatePolicy.NEXT_DAY_WITH_PENALTY else Band.LATE


def rule_anew(arrived_at: datetime, status: SubmissionStatus, deadline: Deadline) -> Band:
    """The band of work that was received, as things are now.

    What came in under the protection of a request that has ended without an agreement counts as refused.
    """
    band = rule(arrived_at, deadline.cut_off)
    if status is SubmissionStatus.PENDING_REQUEST and not deadline.protects(arrived_at):
        return band
    return rule_again(arrived_at, deadline.cut_off)


def _after_grace(arrived_at: datetime, cut_off: CutOff) -> Band:
    if cut_off.late_policy is LatePolicy.ACCEPT_LATE:
        return Band.LATE
    next_day = cut_off.late_policy is LatePolicy.NEXT_DAY_WITH_PENALTY
    if next_day and arrived_at < next_midnight(cut_off.grace_ends_at):
        return Band.PENALISED
    return Band.REFUSED
