"""A service that runs elsewhere, asked about persons as if it were here (`shared.web.persons_api`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter

from shared.persons import Progress
from shared.web.persons_api import PERSONS_ADDRESS
from shared.web.remote_service import RemoteService

SECONDS = 60.0

Rows = list[dict[str, object]]


def _whole(lines: Rows) -> Rows:
    if not lines or lines[-1] != {"rows": len(lines) - 1}:
        raise ValueError("the answer was cut off")
    return lines[:-1]


ROWS = TypeAdapter(Annotated[Rows, AfterValidator(_whole)])
HOLDS = TypeAdapter(list[str])
PROGRESS = TypeAdapter(Progress)


class RemotePersons:
    """See `shared.persons.Persons`; `Unavailable` names the service."""

    def __init__(self, service: RemoteService) -> None:
        self.service = service

    def rows(self, person_ref: str) -> Rows:
        told = self.service.get(f"{PERSONS_ADDRESS}/{person_ref}/rows", seconds=SECONDS)
        return self.service.read(b"[%b]" % b",".join(told.splitlines()), ROWS)

    def holds(self, person_ref: str) -> Sequence[str]:
        return self.service.read(self.service.get(f"{PERSONS_ADDRESS}/{person_ref}/holds", seconds=SECONDS), HOLDS)

    def progress(self, person_ref: str) -> Progress:
        told = self.service.get(f"{PERSONS_ADDRESS}/{person_ref}/progress", seconds=SECONDS)
        return self.service.read(told, PROGRESS)
