"""The page `/operations/audit`: what the audits found that were asked for here, and asking for one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.operations.audits.domain import by_kind, reference_of, waits_long, words_for
from services.operations.audits.handlers import AuditRuns
from services.operations.audits.words import kind_of
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form

ADDRESS = "/operations/audit"


def routes(runs: AuditRuns, pages: Pages) -> APIRouter:
    """The page and its button, for operations staff only."""
    router = APIRouter(prefix=ADDRESS, include_in_schema=False)

    @router.get("")
    def audits(request: Request, who: SignedIn, begun: Annotated[str, Query(max_length=10)] = "") -> Response:
        return _page(request, runs, pages, actor=who.actor, begun=begun)

    @router.post("")
    def look_now(request: Request, who: SignedIn, csrf_token: Annotated[str, Form(max_length=200)] = "") -> Response:
        check_form(request, who, csrf_token)
        begun = "yes" if runs.ask(actor=who.actor) else "no"
        return RedirectResponse(f"{ADDRESS}?begun={begun}", status_code=303)

    return router


def _page(request: Request, runs: AuditRuns, pages: Pages, *, actor: str, begun: str) -> Response:
    kept = runs.newest()
    under_way = kept[0] if kept and kept[0].is_open else None
    ended = [run for run in kept if not run.is_open]
    last = ended[0] if ended else None
    found = by_kind(runs.views.findings(last.number)) if last else {}
    return pages.render(
        request,
        "operations/audit.html",
        actor=actor,
        begun=begun,
        under_way=under_way,
        nobody_there=under_way is not None and waits_long(under_way, now=runs.clock.now()),
        last=last,
        earlier=ended[1:],
        found=found,
        shown=sum(map(len, found.values())),
        kind_of=kind_of,
        reference_of=reference_of,
        words_for=words_for,
    )
