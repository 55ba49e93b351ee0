"""Giving and withdrawing roles. With a role its sessions end, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from services.identity.grants.domain import Grant, Source, checked_grant
from services.identity.grants.store import GrantStore, Place
from shared.database import Context, Database, Transaction
from shared.errors import Conflict, NotFound


class EndsSessions(Protocol):
    """Ends what persons began in roles that they have no more."""

    def end_of_roles(self, places: Iterable[Place], tx: Transaction) -> None: ...


class ImportedRoles:
    """The roles that come with the university's data (`services.identity.people.handlers.Roles`)."""

    def __init__(self, store: GrantStore, sessions: EndsSessions) -> None:
        self.store = store
        self.sessions = sessions

    def give(self, named: AbstractSet[Place], tx: Transaction) -> None:
        standing = self.store.standing(sorted({person_ref for person_ref, _ in named}), Source.IMPORT, tx.connection)
        missing = sorted(named - standing)
        self.store.give_all((Grant(person_ref=ref, role=role) for ref, role in missing), Source.IMPORT, tx)

    def take_others(self, person_refs: Sequence[str], named: AbstractSet[Place], tx: Transaction) -> None:
        others = sorted(self.store.standing(person_refs, Source.IMPORT, tx.connection) - named)
        self.store.withdraw_all(others, Source.IMPORT, tx)
        self.sessions.end_of_roles(others, tx)


class RoleDesk:
    """What administrators do. A role that is given again, with the same scope, takes the place of what it was."""

    def __init__(self, *, database: Database, store: GrantStore, sessions: EndsSessions) -> None:
        self.database = database
        self.store = store
        self.sessions = sessions

    def give(self, grant: Grant, *, actor: str) -> None:
        """Give a role; raises `BadGrant`, `BadScope`, and `NotFound` for a person who is not known."""
        checked_grant(grant)
        with self.database.transaction(Context(actor=actor)) as tx:
            tx.lock("people")
            if not self.store.is_person(tx.connection, grant.person_ref):
                raise NotFound("There is no such person.")
            before = self.store.given(tx.connection, grant, Source.DESK)
            if before is not None:
                self.store.withdraw(before, tx)
            self.store.give_all([grant], Source.DESK, tx)

    def withdraw(self, grant_id: str, *, actor: str) -> None:
        """Take a role back and end the sessions in it; raises `NotFound` and `Conflict`.

        What an import has given, only an import takes back: the next one would give it again.
        """
        with self.database.transaction(Context(actor=actor)) as tx:
            tx.lock("people")
            found = self.store.by_id(tx.connection, grant_id)
            if found is None:
                raise NotFound("There is no such role, or it was withdrawn before.")
            if found.source == Source.IMPORT:
                raise Conflict("This role comes with the university's data. Change it there and import it again.")
            self.store.withdraw(grant_id, tx)
            self.sessions.end_of_roles([(found.person_ref, found.role)], tx)
