"""What a service keeps of another one's things: rows by revision, of which the newest holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from shared.chunks import in_chunks
from shared.database import Transaction, upsert

CHUNK = 500


def newest(table: sa.Table, rows: Iterable[dict[str, object]], tx: Transaction) -> list[dict[str, object]]:
    """Keep the rows whose `revision` is above the stored one; returns those that were news, one a key, the last.

    The table has a primary key of one column.
    """
    key = next(iter(table.primary_key.columns)).name
    latest: dict[object, dict[str, object]] = {}
    for row in rows:
        held = latest.get(row[key])
        if held is None or _revision(row) > _revision(held):
            latest[row[key]] = row
    known = _revisions(table, key, list(latest), tx)
    news = [row for row in latest.values() if _revision(row) > known.get(row[key], -1)]
    names = [column.name for column in table.c if column.name != key]
    newer = sa.literal_column("excluded.revision") > table.c.revision
    tx.write(upsert(table, key=[key], update=names, where=newer), news)
    return news


def _revisions(table: sa.Table, key: str, keys: Sequence[object], tx: Transaction) -> dict[object, int]:
    found: dict[object, int] = {}
    for chunk in in_chunks(keys, CHUNK):
        query = sa.select(table.c[key], table.c.revision).where(table.c[key].in_(chunk))
        found.update((row[0], row[1]) for row in tx.connection.execute(query))
    return found


def _revision(row: Mapping[str, object]) -> int:
    return int(str(row["revision"]))
