"""The only ruler of lateness: how a moment of arrival stands to a cut-off.

The university's rule: cut-off at noon UK time; a grace period to the next local midnight, exclusive; after that the
assignment's late policy decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.submission.catalogue.domain import next_midnight
from shared.contracts import AssignmentKind, Band, LatePolicy


@dataclass(frozen=True, kw_only=True)
class CutOff:
    """What one student's work on one assignment is held against."""

    cut_off_at: datetime
    grace_ends_at: datetime
    late_policy: LatePolicy
    kind: AssignmentKind
    revision: int


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


def _after_grace(arrived_at: datetime, cut_off: CutOff) -> Band:
    if cut_off.late_policy is LatePolicy.ACCEPT_LATE:
        return Band.LATE
    next_day = cut_off.late_policy is LatePolicy.NEXT_DAY_WITH_PENALTY
    if next_day and arrived_at < next_midnight(cut_off.grace_ends_at):
        return Band.PENALISED
    return Band.REFUSED
