"""`GET /api/v1/operations/pipeline`: how much work is where, and whether the messages flow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from services.operations.pipeline.domain import Stage
from services.operations.pipeline.views import PipelineViews
from shared.clock import Clock


class StageOut(BaseModel):
    """A stage with its count; `oldest_since` is null when nothing is in it."""

    model_config = ConfigDict(from_attributes=True)

    stage: Stage
    count: int
    oldest_since: datetime | None


class ServiceOut(BaseModel):
    """What a service says of its messaging; `problem` has words when it could not be read."""

    model_config = ConfigDict(from_attributes=True)

    service: str
    figures: Mapping[str, object]
    problem: str | None


class PipelineOut(BaseModel):
    """The pipeline at `as_of`; `newest_fact_at` says how fresh the counters are."""

    as_of: datetime
    newest_fact_at: datetime | None
    assignment_id: str | None
    stages: list[StageOut]
    services: list[ServiceOut]


def routes(views: PipelineViews, clock: Clock) -> APIRouter:
    """Return the pipeline's JSON routes, for operations staff only."""
    router = APIRouter(prefix="/api/v1/operations", tags=["operations"])

    @router.get("/pipeline")
    def pipeline(assignment_id: str | None = None) -> PipelineOut:
        """Return the stages of all work or of one assignment, and the services' messaging."""
        return PipelineOut(
            as_of=clock.now(),
            newest_fact_at=views.newest_fact_at(),
            assignment_id=assignment_id,
            stages=[StageOut.model_validate(stage) for stage in views.stages(assignment_id)],
            services=[ServiceOut.model_validate(service) for service in views.services()],
        )

    return router
