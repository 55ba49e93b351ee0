"""What a student sees of the scans, and what operations staff do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.submission.scanning.domain import FAILURES_BEFORE_ALARM, ScanState
from services.submission.scanning.store import IS_NOT_CLEAN, scan_table
from shared.inspection import counted


class ScanViews:
    """Queries on a caller's connection."""

    def states_of(self, connection: sa.Connection, submission_ids: Sequence[str]) -> Mapping[str, ScanState]:
        """The state of each of the versions that is, or was, to be scanned."""
        query = sa.select(scan_table.c.submission_id, scan_table.c.state)
        rows = connection.execute(query.where(scan_table.c.submission_id.in_(submission_ids)))
        return {row.submission_id: ScanState(row.state) for row in rows}

    def counts(self, connection: sa.Connection) -> Mapping[str, int]:
        """How many versions are in each state in which somebody has to wait or to look, up to `MOST_COUNTED`.

        Clean ones, of which there are more and more, are not counted.
        """
        unclean = [state for state in ScanState if state is not ScanState.CLEAN]
        return {
            str(state): number
            for state in unclean
            if (number := counted(connection, scan_table, IS_NOT_CLEAN, scan_table.c.state == str(state)))
        }

    def waiting_since(self, connection: sa.Connection) -> datetime | None:
        """Since when the oldest version waits for its first result."""
        wanted = sa.select(scan_table.c.state_since).where(
            scan_table.c.state == "scanning", scan_table.c.wanted_at.is_not(None)
        )
        moment: datetime | None = connection.scalar(wanted.order_by(scan_table.c.state_since).limit(1))
        return moment

    def failing(self, connection: sa.Connection) -> int:
        """How many are tried again and again; looks at what is wanted only."""
        wanted = scan_table.c.wanted_at.is_not(None)
        query = sa.select(sa.func.count()).where(wanted, scan_table.c.failures >= FAILURES_BEFORE_ALARM)
        return connection.execute(query).scalar_one()

    def is_due(self, connection: sa.Connection, now: datetime) -> bool:
        """Whether anything is to be scanned now, or somebody is at it; looks at what is wanted only."""
        due = sa.or_(scan_table.c.wanted_at <= now, scan_table.c.holder.is_not(None))
        return bool(connection.scalar(sa.select(sa.exists().where(scan_table.c.wanted_at.is_not(None), due))))

    def of_state(self, connection: sa.Connection, state: ScanState, *, limit: int) -> Sequence[Any]:
        """Versions in this state, those that have been in it longest first."""
        query = sa.select(scan_table).where(scan_table.c.state == str(state))
        return connection.execute(query.order_by(scan_table.c.state_since).limit(limit)).mappings().all()
