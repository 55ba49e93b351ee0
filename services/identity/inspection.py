"""What identity tells operations: kinds `persons` (references only), `outbox` and `counters`."""

from __future__ import annotations

import sqlalchemy as sa

from services.identity.people.store import person_table
from shared.database import Database
from shared.inspection import MESSAGING_KINDS, PAGE, check_kind, messaging_status
from shared.messaging.bus import LogEnds


class IdentityInspection:
    """See `shared.inspection.Inspection`."""

    def __init__(self, database: Database, log: LogEnds) -> None:
        self.database = database
        self.log = log

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        check_kind(kind, ("persons", *MESSAGING_KINDS))
        if kind in MESSAGING_KINDS:
            return MESSAGING_KINDS[kind](self.database, after=after, limit=limit)
        return self._persons(after, limit)

    def status(self) -> dict[str, object]:
        return messaging_status(self.database, self.log)

    def _persons(self, after: str, limit: int) -> list[dict[str, object]]:
        ref = person_table.c.person_ref
        query = (
            sa.select(ref.label("position"), ref, person_table.c.revision).where(ref > after).order_by(ref).limit(limit)
        )
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
