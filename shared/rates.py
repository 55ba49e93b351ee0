"""How often something may be asked for, counted in the service's database: what one replica counts, all know.

The generic cell rate algorithm (GCRA): of each key one row says until when its allowance is spent. A request moves that
moment on by its own share of the period; beyond a whole period from now it is over the limit, and moves nothing. The
row's lock lets one request at a time decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import PRUNE_SECONDS, STEP_ROWS, Chore
from shared.messaging.tables import spent
from shared.rate import Rate

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _spending() -> sa.Insert:
    """One statement that decides and counts under the row's lock; it changes no row when the limit is reached."""
    now_us, share_us, limit_us = (
        sa.bindparam(name, type_=sa.BigInteger) for name in ("now_us", "share_us", "limit_us")
    )
    end_us = sa.case((spent.c.until_us > now_us, spent.c.until_us), else_=now_us) + share_us
    statement = insert(spent).values(key=sa.bindparam("whose"), until_us=now_us + share_us)
    statement = statement.inline().execution_options(preserve_rowcount=True)
    return statement.on_conflict_do_update(index_elements=["key"], set_={"until_us": end_us}, where=end_us <= limit_us)


_SPEND: Final = _spending()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether one more may pass; how many more could now; and when, if not, the next may come."""

    passes: bool
    left: int
    wait: timedelta


class Rates:
    """Counts requests by key. `clock` is the machine's also in a replay: a limit is about machines."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    def spend(self, key: str, rate: Rate) -> Answer:
        """Count one more request of this key, unless it is over the limit. Raises `Unavailable`."""
        now_us = _microseconds(self.clock.now())
        share_us, limit_us = rate.share // _MICROSECOND, now_us + rate.period // _MICROSECOND
        with self.database.transaction() as tx:
            asked = {"whose": key, "now_us": now_us, "share_us": share_us, "limit_us": limit_us}
            passes = tx.connection.execute(_SPEND, asked).rowcount == 1
            until_us: int = tx.connection.execute(sa.select(spent.c.until_us).where(spent.c.key == key)).scalar_one()
        wait_us = 0 if passes else until_us + share_us - limit_us
        left = max(0, (limit_us - until_us) // share_us)
        return Answer(passes=passes, left=left, wait=timedelta(microseconds=wait_us))

    def pruning(self) -> Chore:
        """The chore that keeps the table small."""
        return Chore(name=f"{self.database.source}.rates", every_seconds=PRUNE_SECONDS, run=self.forget)

    def forget(self) -> int:
        """Delete rows that say nothing any more, in one step; how many."""
        is_over = spent.c.until_us < _microseconds(self.clock.now())
        over = sa.select(spent.c.key).where(is_over).limit(STEP_ROWS)
        with self.database.transaction() as tx:
            # The moment is looked at again: a row may have been counted on while it was waited for.
            return tx.connection.execute(sa.delete(spent).where(spent.c.key.in_(over), is_over)).rowcount


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
