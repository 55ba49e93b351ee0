"""Places in a list that is paged by a moment and an id."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from shared.database import UtcDateTime
from shared.errors import Rejected

Place = tuple[sa.ColumnElement[datetime], sa.ColumnElement[str]]


def name_of(moment: datetime, item_id: str) -> str:
    """Return the name by which a page asks for what is behind this item."""
    return f"{moment.isoformat().replace('+00:00', 'Z')}_{item_id}"


def place_of(name: str) -> Place:
    """Return the place, to be compared with a moment and an id. Raises `Rejected` for one that is none."""
    moment, _, item_id = name.partition("_")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        message = "this place in the list does not exist"
        raise Rejected(message)
    return sa.literal(at, UtcDateTime()), sa.literal(item_id)
