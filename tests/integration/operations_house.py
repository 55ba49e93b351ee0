"""An operations service for tests: its real stores and handlers on a real database, hearing facts as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from services.operations.pipeline.handlers import Pipeline
from services.operations.pipeline.store import PipelineStore
from services.operations.pipeline.views import PipelineViews
from services.operations.schema import metadata
from services.operations.trail.handlers import Trail
from services.operations.trail.store import TrailStore
from services.operations.trail.views import TrailViews
from shared.contracts import (
    AllocationReason,
    AssignmentKind,
    Band,
    Channel,
    Fact,
    HoldReason,
    PersonRecorded,
    RefusalReason,
    ScriptAllocated,
    ScriptCollected,
    ScriptHeld,
    SubmissionReceived,
    SubmissionRefused,
    SubmissionStatus,
    fact_type,
)
from shared.inspection import Inspection
from shared.messaging.message import Message
from tests.support.databases import ManualClock, make_database

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TMA01 = "K827-26J-TMA01"


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def received(
    work_id: str = "w1", *, version: int = 1, assignment_id: str = TMA01, minute: int = 0
) -> SubmissionReceived:
    return SubmissionReceived(
        work_id=work_id,
        submission_id=f"s-{work_id}-{version}",
        version=version,
        assignment_id=assignment_id,
        presentation_id="K827-26J",
        assignment_kind=AssignmentKind.TMA,
        scored=True,
        anonymous=False,
        person_ref=f"p-{work_id}",
        submitted_by=f"p-{work_id}",
        channel=Channel.API,
        upload_started_at=at(minute),
        arrived_at=at(minute),
        cut_off_at=NOON,
        cut_off_revision=1,
        band=Band.ON_TIME,
        status=SubmissionStatus.ACCEPTED,
        object_key=f"o/{work_id}/{version}",
        object_version="1",
        size_bytes=3,
        sha256="0" * 64,
        media_type="application/pdf",
        receipt_id=f"r-{work_id}-{version}",
    )


def refused(work_id: str = "w1") -> SubmissionRefused:
    return SubmissionRefused(
        work_id=work_id,
        refusal_id=f"x-{work_id}",
        assignment_id=TMA01,
        presentation_id="K827-26J",
        person_ref=f"p-{work_id}",
        submitted_by=f"p-{work_id}",
        channel=Channel.API,
        reason=RefusalReason.EMPTY,
        refused_at=NOON,
        cut_off_at=NOON,
    )


def held(work_id: str = "w1", *, minute: int = 1) -> ScriptHeld:
    return ScriptHeld(
        work_id=work_id,
        assignment_id=TMA01,
        person_ref=f"p-{work_id}",
        waits_for=HoldReason.GROUP,
        held_at=at(minute),
    )


def allocated(work_id: str = "w1", *, minute: int = 2) -> ScriptAllocated:
    return ScriptAllocated(
        work_id=work_id,
        assignment_id=TMA01,
        presentation_id="K827-26J",
        person_ref=f"p-{work_id}",
        tutor_ref="tutor-1",
        group_id="K827-26J-G01",
        reason=AllocationReason.TUTOR_GROUP,
        allocated_at=at(minute),
    )


def collected(work_id: str = "w1", *, minute: int = 3) -> ScriptCollected:
    return ScriptCollected(
        work_id=work_id,
        submission_id=f"s-{work_id}-1",
        version=1,
        assignment_id=TMA01,
        person_ref=f"p-{work_id}",
        tutor_ref="tutor-1",
        collected_at=at(minute),
    )


def person(person_ref: str) -> PersonRecorded:
    return PersonRecorded(
        person_ref=person_ref,
        revision=1,
        name="Ann Example",
        email="ann@example.org",
        personal_id="P1234567",
        staff_number=None,
    )


class House:
    """The parts together, with the short ways that tests want."""

    def __init__(self, folder: Path, inspections: dict[str, Inspection] | None = None) -> None:
        self.clock = ManualClock(NOON)
        self.database = make_database(metadata, folder, "operations", self.clock)
        self.trail_handlers = Trail(TrailStore())
        self.pipeline_handlers = Pipeline(PipelineStore())
        self.trail = TrailViews(self.database)
        self.pipeline = PipelineViews(self.database, lambda: inspections or {}, self.trail.newest)
        self.sequences: Counter[tuple[str, str]] = Counter()

    def messages_of(self, *facts: Fact) -> list[tuple[Fact, Message]]:
        """Wrap facts as their producers would, with the next sequence of their key."""
        return [(fact, self._message(fact)) for fact in facts]

    def hear(self, *facts: Fact) -> None:
        """Hand facts over in runs of one type, each in one transaction, as the consumer does."""
        self.deliver(self.messages_of(*facts))

    def deliver(self, heard: Sequence[tuple[Fact, Message]]) -> None:
        for kind, run in groupby(heard, key=lambda pair: type(pair[0])):
            self.hand_over(kind, list(run))

    def hand_over(self, kind: type[Fact], run: Sequence[tuple[Fact, Message]]) -> None:
        facts = [fact for fact, _ in run]
        with self.database.transaction() as tx:
            tx.receive({id(fact): message for fact, message in run})
            for handlers in (self.trail_handlers.table(), self.pipeline_handlers.table()):
                if kind in handlers:
                    handlers[kind](facts, tx)

    def counts(self, assignment_id: str | None = None) -> dict[str, int]:
        return {stage.stage.value: stage.count for stage in self.pipeline.stages(assignment_id) if stage.count}

    def rows(self, table: str) -> list[sa.RowMapping]:
        with self.database.reading() as connection:
            return list(connection.execute(sa.text(f"SELECT * FROM {table}")).mappings())  # noqa: S608 - our own names

    def _message(self, fact: Fact) -> Message:
        self.sequences[fact.topic.name, fact.key] += 1
        sequence = self.sequences[fact.topic.name, fact.key]
        return Message(
            id=f"e-{fact.topic.producer}-{fact.key}-{sequence}",
            type=fact_type(type(fact)),
            source=fact.topic.producer,
            topic=fact.topic.name,
            key=fact.key,
            time=NOON,
            sequence=sequence,
            correlation_id=f"c-{fact.key}",
            causation_id=None,
            actor="student:p-w1",
            traceparent=None,
            value=fact.model_dump_json().encode(),
        )
