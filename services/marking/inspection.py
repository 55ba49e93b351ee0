"""What marking tells operations: kinds `rulings`, `scripts` and `outbox`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.marking.allocation.store import ruling_table, script_table
from shared.database import Database
from shared.inspection import messaging_status, outbox_facts
from shared.messaging.bus import Bus


class MarkingInspection:
    """See `shared.inspection.Inspection`."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database = database
        self.bus = bus

    def facts(self, kind: str, *, after: str = "", limit: int = 1000) -> list[dict[str, object]]:
        if kind == "outbox":
            return outbox_facts(self.database, after=after, limit=limit)
        query = {"rulings": _rulings, "scripts": _scripts}[kind](after)
        with self.database.reading() as connection:
            return [_plain(row) for row in connection.execute(query.limit(limit)).mappings()]

    def status(self) -> dict[str, object]:
        query = sa.select(script_table.c.state, sa.func.count()).group_by(script_table.c.state)
        with self.database.reading() as connection:
            states = {row[0]: row[1] for row in connection.execute(query)}
        return {"scripts": states, **messaging_status(self.database, self.bus)}


def _rulings(after: str) -> sa.Select[Any]:
    return sa.select(ruling_table).where(ruling_table.c.position > int(after or 0)).order_by(ruling_table.c.position)


def _scripts(after: str) -> sa.Select[Any]:
    position = script_table.c.work_id.label("position")
    return sa.select(script_table, position).where(script_table.c.work_id > after).order_by(script_table.c.work_id)


def _plain(row: Any) -> dict[str, object]:  # noqa: ANN401 - a row's mapping
    plain = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
    position = plain["position"]
    return plain | {"position": f"{position:012d}" if isinstance(position, int) else position}
