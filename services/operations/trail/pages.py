"""The page `/operations/trail`: type what you have in hand, see every event in order."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.operations.trail.api import Position
from services.operations.trail.handlers import Findings, TrailSearch
from services.operations.trail.views import LIMIT
from shared.web.pages import Pages
from shared.web.sessions import SignedIn


def routes(search: TrailSearch, pages: Pages) -> APIRouter:
    """Return the trail's page, for operations staff only."""
    router = APIRouter(include_in_schema=False)

    @router.get("/operations/trail")
    def trail(request: Request, who: SignedIn, q: str = "", after: Position = 0) -> Response:
        reference = q.strip()
        found = search.search(reference, actor=who.actor, after=after) if reference else Findings(events=())
        more = found.events[-1].position if len(found.events) == LIMIT else None
        return pages.render(request, "operations/trail.html", reference=reference, found=found, more=more)

    return router
