"""The page `/operations`: how much work is where, and whether the messages flow; and the stream of its figures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.operations.pipeline.domain import freshness_of, pace_of
from services.operations.pipeline.views import Flow, PipelineViews, ServiceStatus
from shared.web.live import SharedLook, stream
from shared.web.pages import Pages

OWN = "operations"


class PipelinePages:
    """What the routes share: also the looks, so that all who watch are served by one."""

    def __init__(self, views: PipelineViews, pages: Pages) -> None:
        self.views = views
        self.pages = pages
        self.flows = SharedLook(lambda assignment_id: views.flow(assignment_id or None))
        self.services = SharedLook(lambda _: views.services())

    def page(self, request: Request, assignment_id: str) -> Response:
        """The page whole."""
        flow, services = self.views.flow(assignment_id or None), self.views.services()
        return self.pages.render(
            request,
            "operations/pipeline.html",
            assignment_id=assignment_id,
            assignments=() if flow.problem else self.views.assignments(),
            **_figures(flow, services),
        )

    async def fragment(self, assignment_id: str) -> str:
        """Its figures alone."""
        flow, services = await self.flows.at(assignment_id), await self.services.at()
        return self.pages.fragment("operations/figures.html", assignment_id=assignment_id, **_figures(flow, services))


def routes(parts: PipelinePages) -> APIRouter:
    """Return the pipeline's page and stream, for operations staff only."""
    router = APIRouter(include_in_schema=False)

    @router.get("/operations")
    def pipeline(request: Request, assignment_id: str = "") -> Response:
        return parts.page(request, assignment_id)

    @router.get("/operations/live", response_class=EventSourceResponse)
    async def live(request: Request, assignment_id: str = "") -> AsyncIterator[ServerSentEvent]:
        async for event in stream(request, lambda: parts.fragment(assignment_id)):
            yield event

    return router


def _figures(flow: Flow, services: Sequence[ServiceStatus]) -> Mapping[str, Any]:
    """What the template of the figures needs."""
    unread = next((status.figures.get("lag") for status in services if status.service == OWN), None)
    known = unread if isinstance(unread, int) else None
    return {
        "flow": flow,
        "services": services,
        "unread": known,
        "freshness": freshness_of(flow.newest_fact_at, known, now=flow.as_of),
        "paces": {each.stage: pace_of(each.stage, each.oldest_since, now=flow.as_of) for each in flow.stages},
    }
