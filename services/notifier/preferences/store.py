"""Rows of what people chose; who has none is told at once."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from services.notifier.preferences.domain import Preference, Way
from services.notifier.tables import metadata
from shared.database import Transaction, UtcDateTime, upsert

preferences = sa.Table(
    "preference",
    metadata,
    sa.Column("person_ref", sa.Text, primary_key=True),
    sa.Column("way", sa.Text, nullable=False),
    sa.Column("chosen_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("way IN ('at_once', 'daily', 'inbox_only')", name="ck_preference_way"),
)


class PreferenceStore:
    """Keeps choices. Every call is one statement."""

    def save(self, person_ref: str, way: Way, tx: Transaction) -> None:
        row = {"person_ref": person_ref, "way": way.value, "chosen_at": tx.now}
        tx.write(upsert(preferences, key=["person_ref"]), [row])

    def of(self, person_refs: Collection[str], connection: sa.Connection) -> dict[str, Preference]:
        """Return what those of the persons chose who did."""
        rows = connection.execute(sa.select(preferences).where(preferences.c.person_ref.in_(person_refs)))
        return {row.person_ref: Preference(way=Way(row.way), chosen_at=row.chosen_at) for row in rows}

    def forget(self, person_refs: Collection[str], tx: Transaction) -> None:
        tx.connection.execute(sa.delete(preferences).where(preferences.c.person_ref.in_(person_refs)))
