"""How one is told, for programs."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from services.notifier.preferences.domain import Way
from services.notifier.preferences.handlers import Choosing
from shared.web.openapi import failures
from shared.web.sessions import SignedIn, check_form


class PreferenceIn(BaseModel):
    """The choice: `at_once`, `daily` or `inbox_only`."""

    way: Way


class PreferenceOut(BaseModel):
    """What holds; `chosen_at` is null for who never chose and is told at once."""

    model_config = ConfigDict(from_attributes=True)

    way: Way
    chosen_at: datetime | None


def routes(choosing: Choosing) -> APIRouter:
    """`GET` and `PUT /api/v1/preferences`."""
    router = APIRouter(prefix="/api/v1/preferences", tags=["notifier"])

    @router.get("")
    def show(person: SignedIn) -> PreferenceOut:
        """How the signed-in person is told."""
        return PreferenceOut.model_validate(choosing.preference_of(person.person_ref))

    @router.put("", responses=failures(409))
    def choose(request: Request, chosen: PreferenceIn, person: SignedIn) -> PreferenceOut:
        """Choose how to be told; the same choice again changes nothing. What cannot wait comes at once in any case."""
        check_form(request, person, request.headers.get("x-csrf-token"))
        correlation_id = request.state.correlation_id
        kept = choosing.choose(person.person_ref, chosen.way, actor=person.actor, correlation_id=correlation_id)
        return PreferenceOut.model_validate(kept)

    return router
