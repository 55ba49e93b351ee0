"""The rulings that corrected what a receipt says of lateness."""

from __future__ import annotations

import sqlalchemy as sa

from services.submission.receipts.store import ruling_statement_table


class RulingViews:
    """Queries on a caller's connection; texts of signed rulings."""

    def in_force(self, connection: sa.Connection, receipt_id: str) -> str | None:
        """The last ruling on what this receipt speaks of; None when nothing was corrected."""
        c = ruling_statement_table.c
        query = sa.select(c.statement).where(c.receipt_id == receipt_id).order_by(c.position.desc()).limit(1)
        text: str | None = connection.execute(query).scalar()
        return text

    def ruling(self, connection: sa.Connection, ruling_id: str) -> str | None:
        """The ruling with this id, as it was signed."""
        c = ruling_statement_table.c
        text: str | None = connection.execute(sa.select(c.statement).where(c.ruling_id == ruling_id)).scalar()
        return text
