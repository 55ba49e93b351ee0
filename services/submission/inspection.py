"""What submission tells operations: kinds `versions`, `refusals` and `outbox`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.submission.submissions.store import refusal_table, version_table
from shared.database import Database
from shared.inspection import messaging_status, outbox_facts
from shared.messaging.bus import Bus

_TABLES = {"versions": version_table, "refusals": refusal_table}


class SubmissionInspection:
    """See `shared.inspection.Inspection`."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database = database
        self.bus = bus

    def facts(self, kind: str, *, after: str = "", limit: int = 1000) -> list[dict[str, object]]:
        if kind == "outbox":
            return outbox_facts(self.database, after=after, limit=limit)
        table = _TABLES[kind]
        query = sa.select(table).where(table.c.position > int(after or 0)).order_by(table.c.position).limit(limit)
        with self.database.reading() as connection:
            return [_plain(row) for row in connection.execute(query).mappings()]

    def status(self) -> dict[str, object]:
        return messaging_status(self.database, self.bus)


def _plain(row: Any) -> dict[str, object]:  # noqa: ANN401 - a row's mapping
    hidden = {"file_name", "idempotency_key"}
    plain = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in row.items()
        if name not in hidden
    }
    return plain | {"position": f"{row['position']:012d}"}
