"""Signing in somebody for whom the university's provider vouches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.identity.grants.domain import Grant, Source
from services.identity.grants.store import GrantStore
from services.identity.people.store import PeopleStore
from services.identity.provider.domain import Agreement, NotKnownHere, grants_of, number_of
from services.identity.sessions.handlers import Sessions
from shared.database import Context, Database, Transaction


class ProviderSignIn:
    """The use cases. Roles that the provider gives are held as long as it says so at each sign-in."""

    def __init__(
        self, *, database: Database, people: PeopleStore, grants: GrantStore, sessions: Sessions, agreement: Agreement
    ) -> None:
        self.database = database
        self.people = people
        self.grants = grants
        self.sessions = sessions
        self.agreement = agreement

    def recognise(self, claims: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
        """The number of whom the claims are about, and the roles that they hold now, by name.

        Raises `Misunderstood`, and `NotKnownHere` for who is not known or has no role.
        """
        number = number_of(claims, self.agreement)
        with self.database.transaction(Context(actor="provider")) as tx:
            tx.lock("people")
            person = self.people.by_identifier([number], tx.connection).get(number)
            if person is None:
                raise NotKnownHere(
                    f"The university knows you by the number {number}, and here nobody has it. It is taken in with "
                    "your enrolment or your contract: please wait a day, then tell the help desk."
                )
            self._take_over(grants_of(claims, person["person_ref"], self.agreement), person["person_ref"], tx)
            roles = self.grants.roles_of(tx.connection, person["person_ref"], now=tx.now)
        if not roles:
            raise NotKnownHere(f"The number {number} is known here, but has no role. Please tell the help desk.")
        return number, roles

    def sign_in(self, number: str, role: str, *, replaces: str | None, provider_token: str) -> str:
        """A token for the browser; raises `NotFound` for a role that is not held."""
        return self.sessions.sign_in_here(
            role=role, identifier=number, replaces=replaces, provider_token=provider_token
        )

    def _take_over(self, said: Sequence[Grant] | None, person_ref: str, tx: Transaction) -> None:
        """Hold what the provider gives now, and take back what it gave before and gives no more."""
        if said is None:
            return
        held = self.grants.standing_grants(tx.connection, person_ref, Source.SIGN_IN)
        wanted = {(grant.role, grant.scope): grant for grant in said}
        for place, grant_id in held.items():
            if place not in wanted:
                self.grants.withdraw(grant_id, tx)
                self.sessions.store.end_of_roles([(person_ref, place[0])], tx)
        self.grants.give_all((grant for place, grant in wanted.items() if place not in held), Source.SIGN_IN, tx)
