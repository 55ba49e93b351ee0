"""Identity's use cases on a person, asked of identity where it runs elsewhere."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, TypeAdapter

from shared.web.remote_service import RemoteService

PERSON_ADDRESS = "/internal/v1/person"
SECONDS = 60.0


class Look(BaseModel):
    """Somebody, such as `command-line:ops`, looked at `what` of a person."""

    what: str
    actor: str


class Erase(BaseModel):
    """A command to erase a person."""

    reason: str
    actor: str


class RemoteSubject(BaseModel):
    """See `services.identity.erasure.domain.Subject`."""

    model_config = ConfigDict(frozen=True)

    person_ref: str
    erased_at: datetime | None = None


SUBJECT = TypeAdapter(RemoteSubject)


class RemotePersonDesk:
    """See `services.identity.erasure.handlers.PersonDesk`.

    After an `Unavailable` a command may have been carried out: it is safe to give it again.
    """

    def __init__(self, identity: RemoteService) -> None:
        self.identity = identity

    def find(self, reference: str) -> RemoteSubject:
        return self.identity.read(self.identity.get(_address(reference), seconds=SECONDS), SUBJECT)

    def looked(self, person_ref: str, *, what: str, actor: str) -> None:
        self.identity.post(f"{_address(person_ref)}/looks", Look(what=what, actor=actor), seconds=SECONDS)

    def erase(self, person_ref: str, *, reason: str, actor: str) -> None:
        self.identity.post(f"{_address(person_ref)}/erasure", Erase(reason=reason, actor=actor), seconds=SECONDS)


def _address(reference: str) -> str:
    return f"{PERSON_ADDRESS}/{quote(reference, safe='')}"
