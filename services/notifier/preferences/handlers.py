"""Keeps what a person chose, and has what waits for them go out as they want it now."""

from __future__ import annotations

from typing import Protocol

import structlog

from services.notifier.preferences.domain import Preference, Way
from services.notifier.preferences.store import PreferenceStore
from shared.database import Context, Database, Transaction
from shared.errors import Conflict
from shared.persons import erased_among

_log = structlog.get_logger(__name__)


class PersonErased(Conflict):
    """Nothing is kept any more about this person."""

    code = "person_erased"
    title = "This person was erased, and nothing can be chosen for them"


class Redirect(Protocol):
    """Decides what becomes of what waits for a person who chose another way."""

    def __call__(self, person_ref: str, way: Way, tx: Transaction) -> None:
        """Put it into a delivery, or let it wait; the caller holds the lock of the person."""
        ...


class Choosing:
    """A person's use case on their own preference."""

    def __init__(self, database: Database, store: PreferenceStore, redirect: Redirect) -> None:
        self.database = database
        self.store = store
        self.redirect = redirect

    def preference_of(self, person_ref: str) -> Preference:
        """Return what holds for this person, chosen or not."""
        with self.database.reading() as connection:
            return self.store.of([person_ref], connection).get(person_ref, Preference())

    def choose(self, person_ref: str, way: Way, *, actor: str, correlation_id: str = "") -> Preference:
        """Have this person told so from now on; what waits goes the new way in the same transaction.

        The same choice again changes nothing. Raises `PersonErased`.
        """
        with self.database.transaction(Context(actor=actor, correlation_id=correlation_id)) as tx:
            tx.lock(person_ref)
            if erased_among([person_ref], tx.connection):
                raise PersonErased
            held = self.store.of([person_ref], tx.connection).get(person_ref)
            if held and held.way is way:
                return held
            self.store.save(person_ref, way, tx)
            self.redirect(person_ref, way, tx)
            chosen = Preference(way=way, chosen_at=tx.now)
        _log.info("preference.chosen", person_ref=person_ref, way=way.value, correlation_id=correlation_id)
        return chosen
