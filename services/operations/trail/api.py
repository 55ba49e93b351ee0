"""`GET /api/v1/operations/trail/{reference}`: every event about something, in order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from services.operations.trail.views import LIMIT, TrailViews

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


def routes(views: TrailViews) -> APIRouter:
    """Return the trail's JSON routes, for operations staff only."""
    router = APIRouter(prefix="/api/v1/operations", tags=["operations"])

    @router.get("/trail/{reference}")
    def trail(reference: str, after: Position = 0) -> TrailOut:
        """Return what happened to a submission, receipt, work, person or correlation id, behind position `after`."""
        found = views.about(reference, after=after)
        last = found[-1].position if len(found) == LIMIT else None
        return TrailOut(
            reference=reference, events=[EventOut.model_validate(event) for event in found], next_after=last
        )

    return router
