"""Recording persons: idempotent, in bulk, announced when something changed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.identity.people.store import PeopleStore
from shared.contracts import PersonRecorded
from shared.database import Transaction


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


class People:
    """The use case."""

    def __init__(self, store: PeopleStore) -> None:
        self.store = store

    def record(self, entries: Sequence[PersonEntry], tx: Transaction) -> dict[str, str]:
        """Write and announce who is new or changed; the person_ref of every identifier."""
        tx.lock("people")
        known = self.store.by_identifier([entry.identifier for entry in entries], tx.connection)
        rows = {entry.identifier: _row(entry, known.get(entry.identifier)) for entry in entries}
        fresh = [row for identifier, row in rows.items() if row != known.get(identifier)]
        self.store.save_all(fresh, tx)
        refs = {identifier: str(row["person_ref"]) for identifier, row in rows.items()}
        grants = [
            {"person_ref": refs[entry.identifier], "role": role, "scope": "*"}
            for entry in entries
            for role in entry.roles
        ]
        self.store.grant_all(grants, tx)
        tx.publish_all(PersonRecorded.model_validate(row) for row in fresh)
        return refs


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
