"""Recording persons: idempotent, in bulk, announced when something changed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from services.identity.people.store import PeopleStore
from shared.contracts import PersonRecorded
from shared.database import Context, Database, Transaction
from shared.errors import NotFound
from shared.looks import record_look


@dataclass(frozen=True, kw_only=True)
class PersonEntry:
    """A person as others name them: a student by `personal_id`, a member of staff by `staff_number`."""

    name: str
    email: str | None
    roles: tuple[str, ...]
    personal_id: str | None = None
    staff_number: str | None = None

    @property
    def identifier(self) -> str:
        return self.personal_id or self.staff_number or ""


@dataclass(frozen=True, kw_only=True)
class StudentUpdate:
    """What somebody says of a student; None: as it is, which only a student who is known has."""

    personal_id: str
    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class PeopleDifference:
    """Persons as they are to be, by identifier; which of them are new and which are changed."""

    rows: Mapping[str, Mapping[str, Any]]
    new: Sequence[Mapping[str, Any]]
    changed: Sequence[Mapping[str, Any]]

    @property
    def refs(self) -> dict[str, str]:
        return {identifier: str(row["person_ref"]) for identifier, row in self.rows.items()}


class Roles(Protocol):
    """Gives and takes the roles that an import names, each as person_ref and role."""

    def give(self, named: AbstractSet[tuple[str, str]], tx: Transaction) -> None:
        """Each of these is had from now on."""
        ...

    def take_others(self, person_refs: Sequence[str], named: AbstractSet[tuple[str, str]], tx: Transaction) -> None:
        """These persons have no others from imports, and no sessions in others."""
        ...


class People:
    """The use cases."""

    def __init__(self, store: PeopleStore, roles: Roles) -> None:
        self.store = store
        self.roles = roles

    def record(self, entries: Sequence[PersonEntry], tx: Transaction) -> dict[str, str]:
        """Write and announce who is new or changed; the person_ref of every identifier.

        Each has the roles that are named from now on and no others of an import; with a role its sessions end.
        """
        tx.lock("people")
        known = self.store.by_identifier([entry.identifier for entry in entries], tx.connection)
        difference = _difference(entries, known)
        named = self._save(difference, [(entry.identifier, role) for entry in entries for role in entry.roles], tx)
        self.roles.take_others(list(difference.refs.values()), named, tx)
        return difference.refs

    def compare_students(self, updates: Sequence[StudentUpdate], connection: sa.Connection) -> PeopleDifference:
        """What `take_students` would write and announce. A new student's person_ref is another one each time."""
        known = self.store.by_identifier([update.personal_id for update in updates], connection)
        return _difference([_student(update, known.get(update.personal_id, {})) for update in updates], known)

    def take_students(self, updates: Sequence[StudentUpdate], tx: Transaction) -> PeopleDifference:
        """Write and announce which students are new or changed; each is a student from now on."""
        tx.lock("people")
        difference = self.compare_students(updates, tx.connection)
        self._save(difference, [(update.personal_id, "student") for update in updates], tx)
        return difference

    def _save(
        self, difference: PeopleDifference, roles: Sequence[tuple[str, str]], tx: Transaction
    ) -> set[tuple[str, str]]:
        """Write persons and their roles; the roles by person_ref."""
        fresh = [*difference.new, *difference.changed]
        self.store.save_all(fresh, tx)
        refs = difference.refs
        named = {(refs[identifier], role) for identifier, role in roles}
        self.roles.give(named, tx)
        tx.publish_all(PersonRecorded.model_validate(row) for row in fresh)
        return named


class Finding:
    """Who a number belongs to. Only a whole number finds somebody: who helps a person was told theirs."""

    def __init__(self, database: Database, store: PeopleStore) -> None:
        self.database = database
        self.store = store

    def by_number(self, number: str, *, actor: str) -> Mapping[str, Any]:
        """The person with this PI or staff number; records who looked. Raises `NotFound`."""
        with self.database.transaction(Context(actor=actor)) as tx:
            found = self.store.by_identifier([number], tx.connection).get(number)
            if found is None:
                raise NotFound("There is nobody with this number.")
            record_look(tx, person_ref=found["person_ref"], what="name")
        return found


def _student(update: StudentUpdate, known: Mapping[str, Any]) -> PersonEntry:
    return PersonEntry(
        name=update.name or known["name"],
        email=update.email or known["email"],
        roles=("student",),
        personal_id=update.personal_id,
    )


def _difference(entries: Sequence[PersonEntry], known: Mapping[str, dict[str, Any]]) -> PeopleDifference:
    rows = {entry.identifier: _row(entry, known.get(entry.identifier)) for entry in entries}
    return PeopleDifference(
        rows=rows,
        new=[row for identifier, row in rows.items() if identifier not in known],
        changed=[row for identifier, row in rows.items() if identifier in known and row != known[identifier]],
    )


def _row(entry: PersonEntry, known: dict[str, Any] | None) -> dict[str, Any]:
    row = {
        "person_ref": known["person_ref"] if known else str(uuid.uuid4()),
        "identifier": entry.identifier,
        "revision": known["revision"] if known else 1,
        "name": entry.name,
        "email": entry.email,
        "personal_id": entry.personal_id,
        "staff_number": entry.staff_number,
    }
    return row if known is None or row == known else {**row, "revision": known["revision"] + 1}
