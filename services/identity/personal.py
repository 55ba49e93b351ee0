"""What identity keeps about a person: who they are, what they may, that they were here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.identity.grants.store import grant_table
from services.identity.people.store import person_table
from services.identity.sessions.store import session_table
from shared.contracts import PersonRecorded, fact_type
from shared.database import Transaction
from shared.messaging.tables import outbox
from shared.persons import Keeps

_RECORDED = fact_type(PersonRecorded)


class IdentityKeeps(Keeps):
    """See `shared.persons.Keeps`."""

    def queries(self, person_ref: str) -> Mapping[str, sa.Select[Any]]:
        of_session = [column for column in session_table.c if column.name != "provider_token"]
        return {
            "person": sa.select(person_table).where(person_table.c.person_ref == person_ref),
            "roles": sa.select(grant_table).where(grant_table.c.person_ref == person_ref),
            "sessions": sa.select(*of_session).where(session_table.c.person_ref == person_ref),
        }

    def holds(self, person_ref: str, connection: sa.Connection, *, now: datetime) -> Iterator[str]:  # noqa: ARG002
        """What is not published yet would come behind the tombstone."""
        unpublished = sa.exists().where(*_said_of([person_ref]), outbox.c.published_at.is_(None))
        if connection.scalar(sa.select(unpublished)):
            yield "what identity last said of this person is not on the bus yet: try again in a moment"

    def forget(self, person_refs: Sequence[str], tx: Transaction) -> None:
        for table in (session_table, grant_table, person_table):
            tx.connection.execute(sa.delete(table).where(table.c.person_ref.in_(person_refs)))
        tx.connection.execute(sa.delete(outbox).where(*_said_of(person_refs)))


def _said_of(person_refs: Sequence[str]) -> Sequence[sa.ColumnElement[bool]]:
    return (outbox.c.type == _RECORDED, outbox.c.key.in_(person_refs))
