"""What a service's web process answers to operations: its facts, how it stands, and commands on its dead letters.

`GET /internal/v1/facts?kind=&after=&limit=` is a page as NDJSON, a row a line. Its last line is the watermark: the
position up to which everything was told, behind which the next page begins. A page without it was cut off; one with
nothing else is the end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from shared.columns import MOST_DIGITS
from shared.inspection import PAGE, Inspection
from shared.messaging.dead_letters import DeadLetter, DeadLetters, Rehearsal

WATERMARK = "watermark"
FACTS_ADDRESS = "/internal/v1/facts"
STATUS_ADDRESS = "/internal/v1/status"
LETTERS_ADDRESS = "/internal/v1/dead-letters"

Limit = Annotated[int, Query(ge=1, le=PAGE)]


class Replay(BaseModel):
    """A command to handle a dead letter again; `actor` is who wants it, such as `operations:command-line`."""

    actor: str


class Discard(BaseModel):
    """A command to give a dead letter up."""

    actor: str
    reason: str


class Replayed(BaseModel):
    """How many messages were applied: the letter and those parked behind it."""

    applied: int


def routes(inspection: Inspection, letters: DeadLetters) -> APIRouter:
    """For other processes of the system only, which bear a token for a service."""
    router = APIRouter(include_in_schema=False)

    @router.get(FACTS_ADDRESS)
    def facts(kind: str, after: str = "", limit: Limit = PAGE) -> Response:
        rows = inspection.facts(kind, after=after, limit=limit)
        lines = [*rows, {WATERMARK: rows[-1]["position"] if rows else after}]
        return Response("".join(json.dumps(line) + "\n" for line in lines), media_type="application/x-ndjson")

    @router.get(STATUS_ADDRESS)
    def status() -> dict[str, object]:
        return inspection.status()

    _add_letters(router, letters)
    return router


def _add_letters(router: APIRouter, letters: DeadLetters) -> None:
    @router.get(LETTERS_ADDRESS)
    def list_letters(
        state: str = "buried", after: Annotated[int, Query(ge=0, lt=10**MOST_DIGITS)] = 0, limit: Limit = PAGE
    ) -> list[DeadLetter]:
        return letters.list(state, after=after, limit=limit)

    @router.get(LETTERS_ADDRESS + "/{letter_id}")
    def show(letter_id: int) -> DeadLetter:
        return letters.show(letter_id)

    @router.get(LETTERS_ADDRESS + "/{letter_id}/behind")
    def behind(letter_id: int, limit: Limit = PAGE) -> Sequence[DeadLetter]:
        return letters.behind(letter_id, limit=limit)

    @router.post(LETTERS_ADDRESS + "/{letter_id}/rehearsal")
    def rehearse(letter_id: int) -> Rehearsal:
        return letters.rehearse(letter_id)

    @router.post(LETTERS_ADDRESS + "/{letter_id}/replay")
    def replay(letter_id: int, command: Replay) -> Replayed:
        return Replayed(applied=letters.replay(letter_id, actor=command.actor))

    @router.post(LETTERS_ADDRESS + "/{letter_id}/discard", status_code=204)
    def discard(letter_id: int, command: Discard) -> None:
        letters.discard(letter_id, command.reason, actor=command.actor)
