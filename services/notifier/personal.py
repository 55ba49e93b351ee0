"""What the notifier keeps about a person: name and address, what they were told, and the letters of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.notifier.channels.port import Channel
from services.notifier.deliveries.domain import DeliveryState
from services.notifier.deliveries.handlers import Stores
from services.notifier.deliveries.store import deliveries
from services.notifier.directory.store import persons
from services.notifier.obligations.handlers import Obligations
from services.notifier.obligations.store import obligations
from services.notifier.preferences.store import preferences
from shared.chunks import in_chunks
from shared.database import Database, Transaction
from shared.persons import Keeps

CHUNK = 500


class NotifierKeeps(Keeps):
    """See `shared.persons.Keeps`. What an erased person was not told yet is not mailed any more."""

    def __init__(self, database: Database, *, owed: Obligations, stores: Stores, channel: Channel) -> None:
        self.database = database
        self.owed = owed
        self.stores = stores
        self.channel = channel

    def queries(self, person_ref: str) -> Mapping[str, sa.Select[Any]]:
        return {
            "person": sa.select(persons).where(persons.c.person_ref == person_ref),
            "preference": sa.select(preferences).where(preferences.c.person_ref == person_ref),
            "told": sa.select(obligations).where(obligations.c.person_ref == person_ref),
            "messages": sa.select(deliveries).where(deliveries.c.person_ref == person_ref),
        }

    def forget(self, person_refs: Sequence[str], tx: Transaction) -> None:
        tx.connection.execute(sa.delete(persons).where(persons.c.person_ref.in_(person_refs)))
        self.stores.preferences.forget(person_refs, tx)
        self.owed.let_go(person_refs, tx)
        self.stores.deliveries.suppress(person_refs, tx)

    def clear(self, person_ref: str) -> bool:
        """Delete the letters; False while a sender has one in hand, who read the address before."""
        of_person = sa.select(deliveries.c.delivery_id, deliveries.c.state)
        with self.database.reading() as connection:
            rows = connection.execute(of_person.where(deliveries.c.person_ref == person_ref)).all()
        if any(row.state == DeliveryState.SENDING for row in rows):
            return False
        for chunk in in_chunks([row.delivery_id for row in rows], CHUNK):
            self.channel.forget(chunk)
        return True
