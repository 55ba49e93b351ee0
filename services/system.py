"""All services composed in one process, with nothing that runs: what the command line works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import FastAPI

from services.identity import service as identity
from services.marking import service as marking
from services.notifier import service as notifier
from services.operations import service as operations
from services.operations.audits.handlers import Sources
from services.submission import service as submission
from services.submission.receipts.domain import verify
from shared.inspection import Inspection
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetters
from shared.service import Service, problems_of
from shared.settings import Settings
from shared.web.app import create_app
from shared.wiring import Platform

TEMPLATES = (
    *identity.TEMPLATES,
    *submission.TEMPLATES,
    *marking.TEMPLATES,
    *notifier.TEMPLATES,
    *operations.TEMPLATES,
)

HISTORIES = {each.NAME: each.HISTORY for each in (identity, submission, marking, notifier, operations)}
"""Of each service, how its tables came to be."""


class System:
    """The services on one platform, wherever its addresses lead: into a folder, or to real servers."""

    def __init__(self, settings: Settings) -> None:
        self.platform = Platform(settings, TEMPLATES)
        self.identity = identity.Identity(self.platform)
        self.submission = submission.Submission(self.platform)
        self.notifier = notifier.Notifier(self.platform)
        self.services: Sequence[Service] = (
            self.identity.service,
            self.submission.service,
            marking.compose(self.platform),
            self.notifier.service,
            operations.compose(
                self.platform, self.inspections, self.dead_letters, lambda: self.identity.person_desk, self.audited
            ),
        )
        self.consumers = {
            service.name: Consumer(database=service.database, handlers=service.handlers) for service in self.services
        }

    def inspections(self) -> Mapping[str, Inspection]:
        """What each service shows of itself."""
        return {service.name: service.inspection for service in self.services}

    def dead_letters(self) -> dict[str, DeadLetters]:
        """Each service's dead letters."""
        return {service.name: DeadLetters(service.database, self.consumers[service.name]) for service in self.services}

    def audited(self) -> Sources:
        """What an audit of the services reads, with the keys as they are published now."""
        keys = self.submission.verification.published()
        return Sources(
            inspections=self.inspections(),
            objects=self.platform.objects,
            verify=lambda receipt: verify(receipt, keys),
            read_mail=self.platform.channel.message_ids,
        )

    def problems(self) -> Mapping[str, str]:
        """The parts that are not well, with words for everybody; cheap, because it is asked every few seconds."""
        asked = {service.name: service.problems for service in self.services}
        told = {name: words for part, ask in asked.items() for name, words in problems_of(part, ask).items()}
        return {**self.platform.problems(), **told}

    def remarks(self) -> Mapping[str, str]:
        """What is to be known and keeps nobody from handing in, with words for everybody."""
        return {}

    def app(self) -> FastAPI:
        """The web application with every service's routes."""
        return create_app(
            routers=[router for service in self.services for router in service.routers],
            pages=self.platform.pages,
            callers=self.identity.callers,
            form_secret=self.platform.form_secret,
            ready=self.problems,
            remarks=self.remarks,
            limits=self.platform.limits(self.submission.database),
            secure=self.platform.settings.is_secure,
            maintenance=self.platform.settings.maintenance,
        )
