"""Finding a person, for those who help others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from services.identity.people.handlers import Finding
from shared.web.openapi import failures
from shared.web.sessions import SignedIn


class PersonOut(BaseModel):
    """Somebody, with the reference by which all services know them."""

    person_ref: str
    name: str
    identifier: str


def routes(finding: Finding) -> APIRouter:
    """`GET /api/v1/people`."""
    router = APIRouter(tags=["identity"])

    @router.get("/api/v1/people", responses=failures(404))
    def find(number: Annotated[str, Query(min_length=1, max_length=64)], caller: SignedIn) -> PersonOut:
        """Who has this PI or staff number, given whole; that somebody looked is recorded."""
        found = finding.by_number(number, actor=caller.actor)
        return PersonOut(person_ref=found["person_ref"], name=found["name"], identifier=found["identifier"])

    return router
