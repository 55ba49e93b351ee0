"""Column types that mean the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

MOST_DIGITS = 18
"""Of a number that every database can count to."""


def checked_moment(value: datetime) -> datetime:
    """The moment itself; raises `ValueError` when it has no time zone."""
    if value.tzinfo is None:
        message = "a moment without a time zone cannot be stored"
        raise ValueError(message)
    return value


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware moment in UTC: kept as text of fixed width on SQLite (so that it sorts), as timestamptz elsewhere.

    A naive datetime is refused with `ValueError`.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:  # noqa: ANN401 - per dialect
        if value is None:
            return None
        moment = checked_moment(value).astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ANN401
        if value is None:
            return None
        return datetime.fromisoformat(value) if dialect.name == "sqlite" else value.astimezone(UTC)
