"""The pipeline as numbers: kept counters, one look at an index per stage, and what every service says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.operations.pipeline.domain import Stage
from services.operations.pipeline.store import counts, stages
from shared.database import Database
from shared.errors import EtmaError, Unavailable
from shared.inspection import Inspection


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCount:
    """How much work is in a stage, and since when the oldest is there (None for an empty one, and for refusals)."""

    stage: Stage
    count: int
    oldest_since: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStatus:
    """What a service says of its messaging; `problem` has the words when it could not be asked."""

    service: str
    figures: Mapping[str, object]
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """The stages at a moment, and when the newest fact happened; `problem` has words when they cannot be read."""

    as_of: datetime
    stages: Sequence[StageCount] = ()
    newest_fact_at: datetime | None = None
    problem: str | None = None


class PipelineViews:
    """Read-only questions to the counters and to the services.

    `newest_fact_at` tells how fresh the counters are: when the newest fact happened that this service heard of.
    """

    def __init__(
        self,
        database: Database,
        inspections: Callable[[], Mapping[str, Inspection]],
        newest_fact_at: Callable[[], datetime | None],
    ) -> None:
        self.database = database
        self.inspections = inspections
        self.newest_fact_at = newest_fact_at

    def stages(self, assignment_id: str | None = None) -> Sequence[StageCount]:
        """Return every stage in the order of the way, of one assignment or of all."""
        kept = sa.select(counts.c.stage, sa.func.sum(counts.c.count)).group_by(counts.c.stage)
        if assignment_id:
            kept = kept.where(counts.c.assignment_id == assignment_id)
        with self.database.reading() as connection:
            numbers = {row[0]: row[1] for row in connection.execute(kept)}
            return [
                StageCount(
                    stage=stage,
                    count=int(numbers.get(stage, 0)),
                    oldest_since=connection.scalar(_oldest(stage, assignment_id)),
                )
                for stage in Stage
            ]

    def flow(self, assignment_id: str | None = None) -> Flow:
        """Return the stages as of now; what cannot be read says so."""
        now = self.database.clock.now()
        try:
            return Flow(as_of=now, stages=self.stages(assignment_id), newest_fact_at=self.newest_fact_at())
        except Unavailable as error:
            return Flow(as_of=now, problem=error.detail)

    def assignments(self) -> Sequence[str]:
        """Return the ids of the assignments for which anything came in."""
        with self.database.reading() as connection:
            return list(connection.scalars(sa.select(counts.c.assignment_id).distinct().order_by("assignment_id")))

    def services(self) -> Sequence[ServiceStatus]:
        """Ask every service, all at once; one that cannot be asked is told apart from one with nothing to say."""
        inspections = self.inspections()
        with ThreadPoolExecutor(max(1, len(inspections))) as pool:
            return list(pool.map(_status, inspections, inspections.values()))

    def page(self, *, after: str, limit: int) -> list[dict[str, object]]:
        """Return the stage of each work in order of its id behind `after`, as JSON-able rows."""
        work_id = stages.c.work_id
        query = sa.select(work_id.label("position"), work_id, stages.c.assignment_id, stages.c.stage, stages.c.since)
        return self._rows(query.where(work_id > after).order_by(work_id).limit(limit))

    def page_of_counts(self, *, after: str, limit: int) -> list[dict[str, object]]:
        """Return the kept counters in order behind position `after`, as JSON-able rows."""
        position = counts.c.assignment_id + "/" + counts.c.stage
        query = sa.select(position.label("position"), counts).where(position > after)
        return self._rows(query.order_by(position).limit(limit))

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, object]]:
        with self.database.reading() as connection:
            return [
                {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
                for row in connection.execute(query).mappings()
            ]


def _oldest(stage: Stage, assignment_id: str | None) -> sa.Select[Any]:
    oldest = sa.select(stages.c.since).where(stages.c.stage == stage).order_by(stages.c.since).limit(1)
    return oldest.where(stages.c.assignment_id == assignment_id) if assignment_id else oldest


def _status(name: str, inspection: Inspection) -> ServiceStatus:
    try:
        return ServiceStatus(service=name, figures=inspection.status())
    except EtmaError as error:
        return ServiceStatus(service=name, figures={}, problem=error.detail)
