"""The page `/deliveries`: what did not go out, for operations staff."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.notifier.deliveries.resending import DeliveryDesk
from services.notifier.deliveries.views import DeliveryViews, Trouble
from services.notifier.obligations.api import Place
from shared.errors import Conflict
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form


def routes(desk: DeliveryDesk, views: DeliveryViews, pages: Pages) -> APIRouter:
    """The list, and sending one again."""
    router = APIRouter(prefix="/deliveries", include_in_schema=False)

    @router.get("")
    def show(
        request: Request,
        state: Trouble = Trouble.ANY,
        after: Place | None = None,
        again: Annotated[str, Query(max_length=10)] = "",
    ) -> Response:
        page = views.page(state, after=after)
        return pages.render(
            request,
            "notifier/deliveries.html",
            page=page,
            state=state.value,
            later=bool(after),
            again=again,
            problem=None,
        )

    @router.post("/{delivery_id}/resend")
    def resend(
        request: Request,
        delivery_id: str,
        person: SignedIn,
        state: Annotated[Trouble, Form()] = Trouble.ANY,
        csrf_token: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        check_form(request, person, csrf_token)
        try:
            desk.send_again(delivery_id, actor=person.actor, correlation_id=request.state.correlation_id)
        except Conflict as problem:
            return pages.render(
                request,
                "notifier/deliveries.html",
                status_code=problem.status,
                page=views.page(state),
                state=state.value,
                later=False,
                again="",
                problem=problem,
            )
        return RedirectResponse(f"/deliveries?state={state.value}&again=yes", status_code=303)

    return router
