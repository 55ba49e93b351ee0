"""What a service's web process answers to the command line about a person: what it keeps, what holds, how far it is."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fastapi import APIRouter, Response

from shared.persons import Persons, Progress

PERSONS_ADDRESS = "/internal/v1/persons"


def routes(persons: Persons) -> APIRouter:
    """For other processes of the system only, which bear a token for a service."""
    router = APIRouter(include_in_schema=False)

    @router.get(PERSONS_ADDRESS + "/{person_ref}/rows")
    def rows(person_ref: str) -> Response:
        """The number of rows in the last line: without it the answer was cut off."""
        lines = [json.dumps(row) for row in persons.rows(person_ref)]
        told = "".join(f"{line}\n" for line in (*lines, json.dumps({"rows": len(lines)})))
        return Response(told, media_type="application/x-ndjson")

    @router.get(PERSONS_ADDRESS + "/{person_ref}/holds")
    def holds(person_ref: str) -> Sequence[str]:
        return persons.holds(person_ref)

    @router.get(PERSONS_ADDRESS + "/{person_ref}/progress")
    def progress(person_ref: str) -> Progress:
        return persons.progress(person_ref)

    return router
