"""A service that runs elsewhere, inspected and mended as if it were here (`shared.web.inspection_api`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, TypeAdapter

from shared.inspection import PAGE
from shared.messaging.dead_letters import DeadLetter, Rehearsal, letter_number
from shared.web.inspection_api import (
    FACTS_ADDRESS,
    LETTERS_ADDRESS,
    STATUS_ADDRESS,
    WATERMARK,
    Discard,
    Replay,
    Replayed,
)
from shared.web.remote_service import RemoteService

STATUS_SECONDS = 2.0
"""Somebody looks at a page and waits for it."""

PAGE_SECONDS = 30.0
COMMAND_SECONDS = 60.0
"""A replay handles all that waits behind the letter as well."""

Rows = list[dict[str, object]]


class Nothing(BaseModel):
    """A command that needs no words."""


def _without_watermark(lines: Rows) -> Rows:
    if not lines or lines[-1].keys() != {WATERMARK}:
        raise ValueError("the page was cut off")
    return lines[:-1]


ROWS = TypeAdapter(Annotated[Rows, AfterValidator(_without_watermark)])
STATUS = TypeAdapter(dict[str, object])
LETTER = TypeAdapter(DeadLetter)
LETTERS = TypeAdapter(list[DeadLetter])
REPLAYED = TypeAdapter(Replayed)
REHEARSAL = TypeAdapter(Rehearsal)


class RemoteInspection:
    """See `shared.inspection.Inspection`; `Unavailable` names the service."""

    def __init__(self, service: RemoteService) -> None:
        self.service = service

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> Rows:
        """`limit` may be at most a thousand."""
        page = self.service.get(FACTS_ADDRESS, seconds=PAGE_SECONDS, kind=kind, after=after, limit=limit)
        return self.service.read(b"[%b]" % b",".join(page.splitlines()), ROWS)

    def status(self) -> dict[str, object]:
        return self.service.read(self.service.get(STATUS_ADDRESS, seconds=STATUS_SECONDS), STATUS)


class RemoteDeadLetters:
    """See `shared.messaging.dead_letters.DeadLetters`.

    After an `Unavailable` a command may have been carried out: it is safe to give it again, and to look.
    """

    def __init__(self, service: RemoteService) -> None:
        self.service = service

    def list(self, state: str = "buried", *, after: int = 0, limit: int = 100) -> list[DeadLetter]:
        found = self.service.get(LETTERS_ADDRESS, seconds=PAGE_SECONDS, state=state, after=after, limit=limit)
        return self.service.read(found, LETTERS)

    def show(self, letter_id: int | str) -> DeadLetter:
        return self.service.read(self.service.get(_address(letter_id), seconds=PAGE_SECONDS), LETTER)

    def behind(self, letter_id: int | str, *, limit: int = 100) -> Sequence[DeadLetter]:
        found = self.service.get(f"{_address(letter_id)}/behind", seconds=PAGE_SECONDS, limit=limit)
        return self.service.read(found, LETTERS)

    def rehearse(self, letter_id: int | str) -> Rehearsal:
        told = self.service.post(f"{_address(letter_id)}/rehearsal", Nothing(), seconds=COMMAND_SECONDS)
        return self.service.read(told, REHEARSAL)

    def replay(self, letter_id: int | str, *, actor: str = "system") -> int:
        address = f"{_address(letter_id)}/replay"
        return self.service.read(
            self.service.post(address, Replay(actor=actor), seconds=COMMAND_SECONDS), REPLAYED
        ).applied

    def discard(self, letter_id: int | str, reason: str, *, actor: str = "system") -> None:
        command = Discard(actor=actor, reason=reason)
        self.service.post(f"{_address(letter_id)}/discard", command, seconds=COMMAND_SECONDS)


def _address(letter_id: int | str) -> str:
    return f"{LETTERS_ADDRESS}/{letter_number(letter_id)}"
