"""The page `/operations`: how much work is where, and whether the messages flow."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.operations.pipeline.views import PipelineViews
from shared.clock import Clock
from shared.web.pages import Pages


def routes(views: PipelineViews, clock: Clock, pages: Pages) -> APIRouter:
    """Return the pipeline's page, for operations staff only."""
    router = APIRouter(include_in_schema=False)

    @router.get("/operations")
    def pipeline(request: Request, assignment_id: str = "") -> Response:
        return pages.render(
            request,
            "operations/pipeline.html",
            assignment_id=assignment_id,
            assignments=views.assignments(),
            stages=views.stages(assignment_id or None),
            services=views.services(),
            as_of=clock.now(),
            newest_fact_at=views.newest_fact_at(),
        )

    return router
