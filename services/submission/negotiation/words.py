"""What people read of requests."""

from __future__ import annotations

from collections.abc import Mapping

from services.submission.negotiation.domain import Reason, State

REASONS: Mapping[Reason, str] = {
    Reason.ILLNESS: "Illness or an accident",
    Reason.CARING: "Caring for somebody",
    Reason.BEREAVEMENT: "A death in the family or of a friend",
    Reason.WORK: "Pressure at work",
    Reason.TECHNICAL: "Technical problems",
    Reason.OTHER: "Something else",
}

STATES: Mapping[State, str] = {
    State.PROPOSED: "Waiting",
    State.COUNTERED: "Waiting",
    State.AGREED: "Agreed",
    State.DECLINED: "Not agreed",
    State.WITHDRAWN: "Withdrawn",
    State.LAPSED: "Ended without an answer",
}

SAID: Mapping[str, str] = {
    "propose": "asked for more time",
    "counter": "proposed another day",
    "agree": "agreed",
    "decline": "did not agree",
    "withdraw": "withdrew the request",
    "lapse": "No answer came in time, and the request ended.",
    "escalate": "The tutor has not answered yet, so student support can answer too.",
    "move": "The request went to the tutor who has the group now.",
}
"""What happened in a step; with who did it before it, where somebody did."""
