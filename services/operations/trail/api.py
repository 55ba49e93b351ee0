"""`GET /api/v1/operations/trail/{reference}`: every event about something, in order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from services.operations.trail.handlers import TrailSearch
from services.operations.trail.views import LIMIT
from shared.errors import Unavailable
from shared.web.sessions import SignedIn

Position = Annotated[int, Query(ge=0, le=2**63 - 1)]
"""A place in the trail: no larger than a database counts."""


class EventOut(BaseModel):
    """One event with who and when; `payload` is the raw JSON, null once erased."""

    model_config = ConfigDict(from_attributes=True)

    position: int
    ce_id: str
    type: str
    topic: str
    key: str
    work_id: str | None
    person_ref: str | None
    submission_id: str | None
    receipt_id: str | None
    occurred_at: datetime
    actor: str
    correlation_id: str
    causation_id: str | None
    sequence: int
    payload: str | None
    payload_sha256: str


class TrailOut(BaseModel):
    """A page of a trail; `next_after` is the position to go on behind, null at the end."""

    reference: str
    events: list[EventOut]
    next_after: int | None


def routes(search: TrailSearch) -> APIRouter:
    """Return the trail's JSON routes, for operations staff only."""
    router = APIRouter(prefix="/api/v1/operations", tags=["operations"])

    @router.get("/trail/{reference}")
    def trail(reference: str, who: SignedIn, after: Position = 0) -> TrailOut:
        """Return what happened to a submission, receipt, work, file, person or request, behind position `after`.

        A file is named by its SHA-256, a person by PI, staff number or reference; who looks for a person is recorded.
        """
        findings = search.search(reference, actor=who.actor, after=after)
        if not findings.people_asked and not findings.events:
            raise Unavailable("Identity cannot be asked, so that no person can be found. Try again in a minute.")
        found = findings.events
        last = found[-1].position if len(found) == LIMIT else None
        return TrailOut(
            reference=reference, events=[EventOut.model_validate(event) for event in found], next_after=last
        )

    return router
