"""What there is to hand in, and the local days that its rules speak of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from shared.clock import LONDON
from shared.contracts import AssignmentKind, LatePolicy, SubmissionCategory

CUT_OFF_MOVED = "submission.cut_off_moved"
"""The kind of timer, by assignment, that is set when something changed of what lateness is ruled by."""

RULED_BY = ("cut_off_at", "grace_ends_at", "late_policy", "kind")
"""What of an assignment decides how a moment of arrival is ruled."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """An assignment with its rules, as the catalogue holds it. Sizes in bytes, lengths in characters.

    No agreement gives more time than until `latest_cut_off_at`, where there is one.
    """

    assignment_id: str
    revision: int
    presentation_id: str
    module_code: str
    module_title: str
    title: str
    kind: AssignmentKind
    cut_off_at: datetime
    grace_ends_at: datetime
    late_policy: LatePolicy
    category: SubmissionCategory
    allowed_types: tuple[str, ...]
    max_bytes: int
    max_name_length: int
    scored: bool
    anonymous: bool
    final: bool
    latest_cut_off_at: datetime | None = None


def groups_key(presentation_id: str) -> str:
    """The lock of who asks for a student's tutor in a presentation, and of who changes the groups there."""
    return f"groups/{presentation_id}"


def noon_of(day: date) -> datetime:
    """12:00 noon of that day in UK local time."""
    return datetime.combine(day, time(12), tzinfo=LONDON).astimezone(UTC)


def next_midnight(moment: datetime) -> datetime:
    """The first UK local midnight after `moment`."""
    day = moment.astimezone(LONDON).date() + timedelta(days=1)
    return datetime.combine(day, time(0), tzinfo=LONDON).astimezone(UTC)
