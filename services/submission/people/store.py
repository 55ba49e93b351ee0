"""The names of people, as identity says them."""

from __future__ import annotations

import sqlalchemy as sa

from services.submission.tables import metadata

person_table = sa.Table(
    "known_person",
    metadata,
    sa.Column("person_ref", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)
