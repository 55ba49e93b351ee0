"""The pages of `/operations/dead-letters`: what no consumer could apply, and what people do with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.operations.dead_letters.domain import LetterState, NoReason, shown, words_of
from services.operations.dead_letters.handlers import Opening
from shared.columns import MOST_DIGITS
from shared.contracts import fact_name
from shared.errors import Conflict, Rejected
from shared.messaging.dead_letters import Rehearsal
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form

ADDRESS = "/operations/dead-letters"

After = Annotated[int, Query(ge=0, lt=10**MOST_DIGITS)]
Token = Annotated[str, Form()]


class LetterPages:
    """What the routes share."""

    def __init__(self, opening: Opening, pages: Pages) -> None:
        self.opening = opening
        self.pages = pages

    def list(self, request: Request, state: LetterState, service: str, after: int) -> Response:
        """The letters in a state, of all services or of one."""
        desk = self.opening.desk()
        return self.pages.render(
            request,
            "operations/dead_letters.html",
            states=list(LetterState),
            state=state,
            service=service,
            services=list(desk.services),
            piles=desk.piles(state, service=service or None, after=after),
            fact_name=fact_name,
            words_of=words_of,
        )

    def letter(
        self,
        request: Request,
        place: tuple[str, str],
        actor: str,
        problem: Rejected | None = None,
        rehearsal: Rehearsal | None = None,
    ) -> Response:
        """One letter with its bytes, and the forms."""
        letter, behind = self.opening.open(*place, actor=actor)
        return self.pages.render(
            request,
            "operations/dead_letter.html",
            status_code=problem.status if problem else 200,
            address=f"{ADDRESS}/{place[0]}/{letter.id}",
            service=place[0],
            letter=letter,
            behind=behind,
            shown=shown(letter.value),
            problem=None if isinstance(problem, NoReason) else problem,
            reason_problem=problem if isinstance(problem, NoReason) else None,
            rehearsal=rehearsal,
            done=request.query_params.get("done", ""),
            says=_says(rehearsal),
            fact_name=fact_name,
            words_of=words_of,
        )


def routes(parts: LetterPages) -> APIRouter:
    """All letters, one, and what is done with it; for operations staff only."""
    router = APIRouter(prefix=ADDRESS, include_in_schema=False)

    @router.get("")
    def letters(
        request: Request, state: LetterState = LetterState.BURIED, service: str = "", after: After = 0
    ) -> Response:
        return parts.list(request, state, service, after)

    @router.get("/{service}/{letter_id}")
    def letter(request: Request, service: str, letter_id: str, who: SignedIn) -> Response:
        return parts.letter(request, (service, letter_id), who.actor)

    _add_commands(router, parts)
    return router


def _add_commands(router: APIRouter, parts: LetterPages) -> None:
    @router.post("/{service}/{letter_id}/rehearsal")
    def rehearse(request: Request, service: str, letter_id: str, who: SignedIn, csrf_token: Token = "") -> Response:
        check_form(request, who, csrf_token)
        try:
            told = parts.opening.desk().rehearse(service, letter_id)
        except Conflict as problem:
            return parts.letter(request, (service, letter_id), who.actor, problem)
        return parts.letter(request, (service, letter_id), who.actor, rehearsal=told)

    @router.post("/{service}/{letter_id}/replay")
    def replay(request: Request, service: str, letter_id: str, who: SignedIn, csrf_token: Token = "") -> Response:
        check_form(request, who, csrf_token)
        try:
            parts.opening.desk().replay(service, letter_id, actor=who.actor)
        except Rejected as problem:
            return parts.letter(request, (service, letter_id), who.actor, problem)
        return RedirectResponse(f"{ADDRESS}/{service}/{letter_id}?done=replayed", status_code=303)

    @router.post("/{service}/{letter_id}/discard")
    def discard(
        request: Request, service: str, letter_id: str, who: SignedIn, reason: Token = "", csrf_token: Token = ""
    ) -> Response:
        check_form(request, who, csrf_token)
        try:
            parts.opening.desk().discard(service, letter_id, reason=reason, actor=who.actor)
        except (NoReason, Conflict) as problem:
            return parts.letter(request, (service, letter_id), who.actor, problem)
        return RedirectResponse(f"{ADDRESS}/{service}/{letter_id}?done=discarded", status_code=303)


def _says(rehearsal: Rehearsal | None) -> Sequence[str]:
    """The facts that a rehearsal would have said, such as `2 of ScriptAllocated`."""
    return [f"{count} of {fact_name(kind)}" for kind, count in sorted(rehearsal.says.items())] if rehearsal else []
