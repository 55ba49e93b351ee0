"""Keeps simulated and real time apart: a database belongs to one of them from its first start on."""

from __future__ import annotations

import sqlalchemy as sa

from shared.database import Database, Transaction, upsert
from shared.errors import Conflict
from shared.messaging.tables import key_sequence, time_source


class OtherTime(Conflict):
    """A replay on data of the real world, or the real world on data of a replay."""

    code = "other_time"
    title = "This data belongs to another clock"


def claim_time(database: Database) -> None:
    """Mark the database as one of simulated or of real time; raises `OtherTime` when it is one of the other.

    A replay starts on an empty database only. Of several processes that begin at once, the first has its way.
    """
    with database.transaction() as tx:
        if not (tx.simulated and _is_used(tx)):
            tx.connection.execute(upsert(time_source, key=["only"], update=[]), {"only": 1, "simulated": tx.simulated})
        claimed = tx.connection.execute(sa.select(time_source.c.simulated)).scalar_one_or_none()
        if claimed != tx.simulated:
            raise OtherTime(_words(simulated=tx.simulated))


def check_time(database: Database) -> None:
    """Raises `OtherTime` when the database was marked as one of the other time; marks nothing."""
    with database.reading() as connection:
        claimed = connection.execute(sa.select(time_source.c.simulated)).scalar_one_or_none()
    if claimed is not None and claimed != database.clock.simulated:
        raise OtherTime(_words(simulated=database.clock.simulated))


def _words(*, simulated: bool) -> str:
    if simulated:
        return "A replay needs an empty folder of its own: set ETMA_DATA_DIR to another one."
    return "It was made by a replay, in simulated time. Set ETMA_DATA_DIR to another folder."


def _is_used(tx: Transaction) -> bool:
    """Whether anything was ever said in it; a key that was only locked says nothing."""
    said = sa.select(key_sequence.c.key).where(key_sequence.c.sequence > 0).limit(1)
    return tx.connection.execute(said).first() is not None
