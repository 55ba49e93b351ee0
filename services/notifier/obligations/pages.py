"""The page `/inbox`: what the signed-in person was told."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.notifier.obligations.api import Place
from services.notifier.obligations.views import InboxView
from shared.web.pages import Pages
from shared.web.sessions import SignedIn


def routes(inbox: InboxView, pages: Pages) -> APIRouter:
    """The inbox."""
    router = APIRouter(include_in_schema=False)

    @router.get("/inbox")
    def show(request: Request, person: SignedIn, before: Place | None = None) -> Response:
        page = inbox.page(person.person_ref, before=before)
        return pages.render(request, "notifier/inbox.html", page=page, later=bool(before))

    return router
