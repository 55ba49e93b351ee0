"""The page `/operations/trail`: type an id, see every event in order."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.operations.trail.api import Position
from services.operations.trail.views import LIMIT, TrailViews
from shared.web.pages import Pages


def routes(views: TrailViews, pages: Pages) -> APIRouter:
    """Return the trail's page, for operations staff only."""
    router = APIRouter(include_in_schema=False)

    @router.get("/operations/trail")
    def trail(request: Request, q: str = "", after: Position = 0) -> Response:
        reference = q.strip()
        events = views.about(reference, after=after) if reference else []
        more = events[-1].position if len(events) == LIMIT else None
        return pages.render(request, "operations/trail.html", reference=reference, events=events, more=more)

    return router
