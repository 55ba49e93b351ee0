"""Finding a person for the command line, noting that all of theirs was looked at, and erasing them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.identity.erasure.domain import Subject, check_not_held, checked_reason
from services.identity.people.store import PeopleStore
from shared.contracts import PersonErased
from shared.database import Context, Database
from shared.errors import NotFound
from shared.looks import record_look
from shared.messaging.tables import erased_person
from shared.persons import PersonKeeper


class PersonDesk:
    """The use cases."""

    def __init__(self, database: Database, people: PeopleStore, keeper: PersonKeeper) -> None:
        self.database = database
        self.people = people
        self.keeper = keeper

    def find(self, reference: str) -> Subject:
        """Who has this person_ref, PI or staff number, or was erased under this person_ref; raises `NotFound`."""
        with self.database.reading() as connection:
            person = self.people.named(reference, connection)
            erased_at = connection.execute(_erased_at(reference)).scalar()
        if person is None and erased_at is None:
            raise NotFound("There is no such person. Give a reference, a PI or a staff number, whole.")
        return Subject(person_ref=person["person_ref"] if person else reference, erased_at=erased_at)

    def looked(self, person_ref: str, *, what: str, actor: str) -> None:
        """Record that who acts looks at this of a person."""
        with self.database.transaction(Context(actor=actor)) as tx:
            record_look(tx, person_ref=person_ref, what=what)

    def erase(self, person_ref: str, *, reason: str, actor: str) -> None:
        """Erase the person here and have the others told. Who was erased before: the others are told again.

        The caller has asked the others for what forbids it. Raises `NotFound`, `BadReason` and `Held`.
        """
        with self.database.transaction(Context(actor=actor)) as tx:
            tx.lock("people")
            person = self.people.named(person_ref, tx.connection)
            if person is None and tx.connection.execute(_erased_at(person_ref)).scalar() is None:
                raise NotFound("There is no such person.")
            personal = [person[name] for name in ("name", "email", "identifier")] if person else []
            kept = checked_reason(reason, personal)
            check_not_held(self.keeper.holds_within(person_ref, tx.connection))
            self.keeper.erase(person_ref, tx, actor=actor, reason=kept)
            tx.publish(PersonErased(person_ref=person_ref))
        self.keeper.clear()


def _erased_at(person_ref: str) -> sa.Select[Any]:
    return sa.select(erased_person.c.erased_at).where(erased_person.c.person_ref == person_ref)
