"""What operations keeps about a person: what happened, by reference. The trail has no names, and nothing to erase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from services.operations.pipeline.store import stages
from services.operations.trail.store import events
from shared.persons import Keeps


class OperationsKeeps(Keeps):
    """See `shared.persons.Keeps`."""

    def queries(self, person_ref: str) -> Mapping[str, sa.Select[Any]]:
        own = sa.and_(events.c.person_ref == person_ref, events.c.work_id.is_not(None))
        works = sa.select(events.c.work_id).where(own)
        return {
            "trail": sa.select(events).where(sa.or_(events.c.person_ref == person_ref, events.c.work_id.in_(works))),
            "stages": sa.select(stages).where(stages.c.work_id.in_(works)),
        }
