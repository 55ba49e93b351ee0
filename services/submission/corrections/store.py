"""Versions as they are ruled on, and the rulings that change something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.submission.receipts.store import ruling_statement_table
from services.submission.submissions.store import version_table
from shared.database import Transaction, insertion


class CorrectionStore:
    """Reads and writes inside the caller's transaction."""

    def versions(self, assignment_id: str, *, after: int, limit: int, tx: Transaction) -> Sequence[Any]:
        """Versions of the assignment beyond this position, in order, as rows."""
        c = version_table.c
        query = sa.select(version_table).where(c.assignment_id == assignment_id, c.position > after)
        return tx.connection.execute(query.order_by(c.position).limit(limit)).all()

    def versions_of_work(self, work_id: str, tx: Transaction) -> Sequence[Any]:
        """All versions of one work, in order, as rows."""
        query = sa.select(version_table).where(version_table.c.work_id == work_id)
        return tx.connection.execute(query.order_by(version_table.c.version)).all()

    def add(self, rulings: Sequence[Mapping[str, object]], tx: Transaction) -> None:
        """Write the rulings, and let each be in force for its version."""
        if not rulings:
            return
        tx.write(insertion(ruling_statement_table), rulings)
        corrected = (
            sa.update(version_table)
            .where(version_table.c.submission_id == sa.bindparam("which"))
            .values(corrected_band=sa.bindparam("what"))
        )
        named = [{"which": ruling["submission_id"], "what": ruling["band"]} for ruling in rulings]
        tx.connection.execute(corrected, named)
