"""The public keys of receipts, kept for ever, with the life of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.submission.receipts.domain import ReceiptKey
from services.submission.tables import metadata
from shared.columns import UtcDateTime
from shared.database import Transaction, upsert

receipt_key_table = sa.Table(
    "receipt_key",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("public_jwk", sa.JSON, nullable=False),
    sa.Column("first_used_at", UtcDateTime, nullable=False),
    sa.Column("retired_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("revoked_since", UtcDateTime),
    sa.Column("revocation_reason", sa.Text),
    sa.CheckConstraint("revoked_at IS NULL OR retired_at IS NOT NULL", name="revoked_is_retired"),
    sa.CheckConstraint("(revoked_at IS NULL) = (revoked_since IS NULL)", name="revoked_since_a_moment"),
)

ruling_statement_table = sa.Table(
    "ruling_statement",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("ruling_id", sa.Text, nullable=False, unique=True),
    sa.Column("receipt_id", sa.Text, nullable=False),
    sa.Column("submission_id", sa.Text, nullable=False),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("band_before", sa.Text, nullable=False),
    sa.Column("band", sa.Text, nullable=False),
    sa.Column("cut_off_at", UtcDateTime, nullable=False),
    sa.Column("cut_off_revision", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("corrected_at", UtcDateTime, nullable=False),
    sa.Column("statement", sa.Text, nullable=False),
    sa.CheckConstraint("band <> band_before", name="ruling_changes_something"),
    sa.UniqueConstraint("submission_id", "cut_off_revision", name="one_ruling_for_a_cut_off"),
    sa.Index("ix_ruling_statement_receipt", "receipt_id", "position"),
    sqlite_autoincrement=True,
)


class ReceiptKeyStore:
    """Writes inside the caller's transaction."""

    def keys(self, connection: sa.Connection) -> Sequence[ReceiptKey]:
        """All keys that ever signed, the oldest first."""
        query = sa.select(receipt_key_table).order_by(receipt_key_table.c.first_used_at, receipt_key_table.c.key_id)
        return [ReceiptKey(**row) for row in connection.execute(query).mappings()]

    def add(self, keys: Mapping[str, Mapping[str, Any]], tx: Transaction) -> None:
        """Keep these public keys for ever, as active from now on; nothing happens to those that are known."""
        rows = [{"key_id": key_id, "public_jwk": dict(jwk), "first_used_at": tx.now} for key_id, jwk in keys.items()]
        tx.write(upsert(receipt_key_table, key=["key_id"], update=()), rows)

    def retire(self, key_ids: Sequence[str], tx: Transaction) -> None:
        """Let these keys sign no more."""
        statement = sa.update(receipt_key_table).where(receipt_key_table.c.key_id.in_(key_ids))
        tx.connection.execute(statement.values(retired_at=tx.now))

    def revoke(self, key_id: str, *, since: datetime, reason: str, tx: Transaction) -> None:
        """Let the key prove nothing from `since` on."""
        statement = sa.update(receipt_key_table).where(receipt_key_table.c.key_id == key_id)
        revoked = statement.values(revoked_at=tx.now, revoked_since=since, revocation_reason=reason)
        tx.connection.execute(revoked)
