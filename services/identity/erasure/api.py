"""The same for the command line where identity runs elsewhere."""

from __future__ import annotations

from fastapi import APIRouter

from services.identity.erasure.domain import Subject
from services.identity.erasure.handlers import PersonDesk
from shared.web.remote_person_desk import PERSON_ADDRESS, Erase, Look


def routes(desk: PersonDesk) -> APIRouter:
    """For other processes of the system only, which bear a token for a service."""
    router = APIRouter(include_in_schema=False)

    @router.get(PERSON_ADDRESS + "/{reference}")
    def find(reference: str) -> Subject:
        return desk.find(reference)

    @router.post(PERSON_ADDRESS + "/{person_ref}/looks", status_code=204)
    def looked(person_ref: str, look: Look) -> None:
        desk.looked(person_ref, what=look.what, actor=look.actor)

    @router.post(PERSON_ADDRESS + "/{person_ref}/erasure", status_code=204)
    def erase(person_ref: str, command: Erase) -> None:
        desk.erase(person_ref, reason=command.reason, actor=command.actor)

    return router
