"""Erasing a person: asks every service whether something holds, has identity say it, and tells how far each is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from services.identity.erasure.domain import check_not_held
from services.identity.erasure.handlers import PersonDesk
from shared.errors import Unavailable
from shared.killpoints import kill_point
from shared.persons import Persons, Progress
from shared.web.remote_person_desk import RemotePersonDesk

LOOK_SECONDS = 0.5

REMAINS = (
    "References, hashes and receipts, which say no name: they prove what came, for the audit.",
    "The broker gives up what it had within a day, the embedded bus when everybody has read it.",
    "Backups, until they are overwritten: do not restore one without erasing again (docs/privacy.md).",
    "What mail servers, mailboxes and the logs of other systems have.",
)
"""What an erasure does not reach at once, or at all."""


@dataclass(frozen=True, kw_only=True)
class Erasing:
    """The use case of the command line, wherever the services run."""

    desk: PersonDesk | RemotePersonDesk
    services: Mapping[str, Persons]

    def check(self, person_ref: str) -> None:
        """Raises `Held` with what holds in any service, and `Unavailable` when one cannot be asked."""
        check_not_held([hold for service in self.services.values() for hold in service.holds(person_ref)])

    def erase(self, person_ref: str, *, reason: str, actor: str) -> None:
        """Erase whom nothing holds; who was erased before is erased again, whatever there is."""
        if self.desk.find(person_ref).erased_at is None:
            self.check(person_ref)
        kill_point("person.checked")
        self.desk.erase(person_ref, reason=reason, actor=actor)

    def obstacles(self, person_ref: str) -> list[str]:
        """What keeps a service from hearing that the person was erased, or from having nothing left."""
        left = [name for name, each in self.progress(person_ref).items() if each is not None and not each.is_done]
        return [f"{name}: {hold}" for name in left for hold in self.services[name].holds(person_ref)]

    def progress(self, person_ref: str) -> dict[str, Progress | None]:
        """How far each service is; None of one that cannot be asked now."""
        return {name: _progress(service, person_ref) for name, service in self.services.items()}

    def wait(self, person_ref: str, *, seconds: float) -> bool:
        """Wait until nothing is left anywhere; whether that came in time."""
        until = time.monotonic() + seconds
        while not self.is_done(person_ref):
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def is_done(self, person_ref: str) -> bool:
        """Whether nothing is left in any service."""
        return all(each is not None and each.is_done for each in self.progress(person_ref).values())


def _progress(service: Persons, person_ref: str) -> Progress | None:
    try:
        return service.progress(person_ref)
    except Unavailable:
        return None
