"""What a person was told, for their inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from services.notifier.directory.store import DirectoryStore
from services.notifier.obligations.store import obligation_of, obligations
from services.notifier.obligations.wording import words_of
from services.notifier.places import name_of, place_of
from shared.database import Database

PAGE_SIZE = 50


@dataclass(frozen=True, kw_only=True)
class InboxItem:
    """Something that the person was told; `path` is the page to go to."""

    item_id: str
    told_at: datetime
    purpose: str
    subject: str
    sentence: str
    path: str


@dataclass(frozen=True, kw_only=True)
class InboxPage:
    """A page of items, newest first; `next_before` asks for the next page and is None at the end."""

    items: tuple[InboxItem, ...]
    next_before: str | None


class InboxView:
    """Reads one person's inbox."""

    def __init__(self, database: Database, directory: DirectoryStore) -> None:
        self.database = database
        self.directory = directory

    def page(self, person_ref: str, *, before: str | None = None, size: int = PAGE_SIZE) -> InboxPage:
        """Return what this person was told before that place. Raises `Rejected` for a place that is none."""
        age = (obligations.c.created_at, obligations.c.obligation_id)
        wanted = sa.select(obligations).where(obligations.c.person_ref == person_ref)
        if before:
            wanted = wanted.where(sa.tuple_(*age) < sa.tuple_(*place_of(before)))
        with self.database.reading() as connection:
            newest = wanted.order_by(*(column.desc() for column in age)).limit(size + 1)
            found = [obligation_of(row) for row in connection.execute(newest).mappings()]
            labels = self.directory.labels({o.duty.assignment_id for o in found}, connection)
        items = []
        for obligation in found[:size]:
            words = words_of(obligation.duty, label=labels[obligation.duty.assignment_id])
            items.append(
                InboxItem(
                    item_id=obligation.obligation_id,
                    told_at=obligation.created_at,
                    purpose=obligation.duty.purpose.value,
                    subject=words.subject,
                    sentence=words.sentence,
                    path=words.path,
                )
            )
        more = len(found) > size
        return InboxPage(
            items=tuple(items), next_before=name_of(items[-1].told_at, items[-1].item_id) if more else None
        )
