"""Puts the operations service together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from services.operations.audits import pages as audit_pages
from services.operations.audits.handlers import AuditLoop, AuditRuns, Sources
from services.operations.dead_letters import pages as letter_pages
from services.operations.dead_letters.handlers import DeadLetterDesk, Letters, Opening
from services.operations.inspection import OperationsInspection
from services.operations.personal import OperationsKeeps
from services.operations.pipeline import api as pipeline_api
from services.operations.pipeline import pages as pipeline_pages
from services.operations.pipeline.handlers import Pipeline
from services.operations.pipeline.store import PipelineStore
from services.operations.pipeline.views import PipelineViews
from services.operations.reconciliation.handlers import Question
from services.operations.trail import api as trail_api
from services.operations.trail import pages as trail_pages
from services.operations.trail.handlers import People, Trail, TrailSearch
from services.operations.trail.store import TrailStore
from services.operations.trail.views import TrailViews
from shared.clock import SystemClock
from shared.contracts import TOPICS
from shared.inspection import MESSAGING_KINDS, Inspection, messaging_status
from shared.messaging.consumer import Consumer, merged
from shared.messaging.dead_letters import DeadLetters
from shared.migrations.history import History
from shared.persons import PersonKeeper
from shared.service import Service
from shared.web.remote_inspection import RemoteDeadLetters, RemoteInspection
from shared.web.remote_person_desk import RemotePersonDesk
from shared.wiring import Platform

NAME = "operations"
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
OTHERS = ("identity", "submission", "marking", "notifier")
TEMPLATES = tuple(
    Path(__file__).parent / part / "templates" for part in ("pipeline", "trail", "dead_letters", "audits")
)


def compose(
    platform: Platform,
    inspections: Callable[[], Mapping[str, Inspection]],
    letters: Callable[[], Mapping[str, Letters]],
    people: Callable[[], People],
    sources: Callable[[], Sources],
) -> Service:
    """The service; `inspections` and `letters` give every service's, this one's included; `people` is identity.

    `sources` is what an audit reads, asked for when one begins.
    """
    database = platform.database(NAME, HISTORY)
    trail = TrailViews(database)
    pipeline = PipelineViews(database, inspections, trail.newest)
    search = TrailSearch(database, trail, people)
    keeper = PersonKeeper(database, OperationsKeeps())
    audits = AuditRuns(database, SystemClock())
    return Service(
        name=NAME,
        database=database,
        persons=keeper,
        handlers=merged(keeper.table(), Trail(TrailStore()).table(), Pipeline(PipelineStore()).table()),
        topics=list(TOPICS.values()),
        routers=[
            pipeline_api.routes(pipeline, platform.clock),
            pipeline_pages.routes(pipeline_pages.PipelinePages(pipeline, platform.pages)),
            trail_api.routes(search),
            trail_pages.routes(search, platform.pages),
            letter_pages.routes(
                letter_pages.LetterPages(Opening(lambda: DeadLetterDesk(letters()), database), platform.pages)
            ),
            audit_pages.routes(audits, platform.pages),
        ],
        follow_up=[AuditLoop(audits, sources, lambda: _question(platform))],
        recover=[audits.free_all],
        inspection=OperationsInspection(
            trail,
            pipeline,
            lambda kind, after, limit: MESSAGING_KINDS[kind](database, after=after, limit=limit),
            lambda: messaging_status(database, platform.log_ends(database)),
        ),
    )


def _question(platform: Platform) -> Question:
    """What an audit looks at that begins now: everything, with what has just happened in flight."""
    return Question(
        now=platform.clock.now(),
        machine_now=datetime.now(UTC),
        settle_seconds=platform.settings.settle_seconds,
        digest_window_seconds=platform.settings.digest_window_seconds,
    )


def compose_alone(platform: Platform) -> Service:
    """The service in a process of its own: the others run elsewhere and are asked there."""
    others = {name: platform.remote(name, asked_by=NAME) for name in OTHERS}

    @cache
    def inspections() -> Mapping[str, Inspection]:
        return {**{name: RemoteInspection(other) for name, other in others.items()}, NAME: service.inspection}

    @cache
    def letters() -> Mapping[str, Letters]:
        own = DeadLetters(service.database, Consumer(database=service.database, handlers=service.handlers))
        return {**{name: RemoteDeadLetters(other) for name, other in others.items()}, NAME: own}

    def sources() -> Sources:
        """Files and mails only where this process was told where they are; the keys of receipts are submission's."""
        settings = platform.settings
        return Sources(
            inspections=inspections(),
            objects=platform.objects if settings.objects_url else None,
            verify=None,
            read_mail=platform.channel.message_ids if settings.mail_url else None,
        )

    service = compose(platform, inspections, letters, lambda: RemotePersonDesk(others["identity"]), sources)
    return service
