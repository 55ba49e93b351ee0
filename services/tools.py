"""What the commands of operations work with: the services in this process, or those that run elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter

from services.identity.erasure.handlers import PersonDesk
from services.notifier.deliveries.commands import Tools as DeliveryTools
from services.opening import opened
from services.operations.commands import Tools
from services.operations.dead_letters.handlers import DeadLetterDesk
from services.operations.reconciliation.handlers import Audit
from services.persons.commands import Tools as PersonTools
from services.persons.erasing import Erasing
from services.persons.export import Export
from services.submission.receipts.commands import Tools as ReceiptTools
from services.submission.receipts.domain import read_statement, verify
from services.submission.receipts.printing import Sheet, print_receipt
from services.submission.scanning.handlers import ScanDesk
from services.system import System
from shared.inspection import Inspection
from shared.messaging.dead_letters import DeadLetters
from shared.observability.logs import configure_logs
from shared.persons import Persons
from shared.settings import Settings, load_settings
from shared.web.remote_inspection import RemoteDeadLetters, RemoteInspection
from shared.web.remote_person_desk import RemotePersonDesk
from shared.web.remote_persons import RemotePersons
from shared.web.remote_service import RemoteService
from shared.wiring import Platform

SERVICES = ("identity", "submission", "marking", "notifier", "operations")
ASKED_BY = "command-line"
KEYS_SECONDS = 10.0


class PublicKeys(BaseModel):
    """A JSON Web Key Set, as submission publishes it."""

    keys: list[dict[str, Any]]


PUBLIC_KEYS = TypeAdapter(PublicKeys)


@contextmanager
def operations_tools() -> Iterator[Tools]:
    """Tools for the services where they are: elsewhere when the settings name their addresses, else here."""
    settings = load_settings()
    with _tools_elsewhere(settings) if settings.are_services_elsewhere else _tools_here() as tools:
        yield tools


@contextmanager
def receipt_tools() -> Iterator[ReceiptTools]:
    """Tools for receipts and their keys, by the database and the folder of keys that the settings name."""
    with opened() as system:
        yield ReceiptTools(key_ring=system.submission.key_ring, verification=system.submission.verification)


@contextmanager
def scan_desk() -> Iterator[ScanDesk]:
    """The desk of the search for malware, by the database that the settings name."""
    with opened() as system:
        yield system.submission.scan_desk


@contextmanager
def delivery_tools() -> Iterator[DeliveryTools]:
    """The desk of deliveries, by the database that the settings name."""
    with opened() as system:
        yield DeliveryTools(system.notifier.delivery_desk, system.notifier.delivery_views)


@contextmanager
def _tools_here() -> Iterator[Tools]:
    with opened() as system:
        yield tools_of(system)


def tools_of(system: System) -> Tools:
    """Tools for services that are composed in this process."""
    keys = system.submission.verification.published()
    return _tools(system.platform, system.inspections(), system.dead_letters(), keys)


@contextmanager
def _tools_elsewhere(settings: Settings) -> Iterator[Tools]:
    configure_logs(settings.command_log_level)
    platform = Platform(settings)
    try:
        services = {name: platform.remote(name, asked_by=ASKED_BY) for name in SERVICES}
        inspections = {name: RemoteInspection(service) for name, service in services.items()}
        letters = {name: RemoteDeadLetters(service) for name, service in services.items()}
        yield _tools(platform, inspections, letters, _public_keys(services["submission"]))
    finally:
        platform.close()


@contextmanager
def person_tools() -> Iterator[PersonTools]:
    """Tools for what concerns one person, where the services are."""
    settings = load_settings()
    if not settings.are_services_elsewhere:
        with opened() as system:
            yield person_tools_of(system)
        return
    configure_logs(settings.command_log_level)
    platform = Platform(settings)
    try:
        services = {name: platform.remote(name, asked_by=ASKED_BY) for name in SERVICES}
        persons = {name: RemotePersons(service) for name, service in services.items()}
        desk = RemotePersonDesk(services["identity"])
        yield _person_tools(platform, desk, persons, lambda: _public_keys(services["submission"]))
    finally:
        platform.close()


def person_tools_of(system: System) -> PersonTools:
    """Tools for services that are composed in this process."""
    persons = {service.name: service.persons for service in system.services}
    return _person_tools(
        system.platform, system.identity.person_desk, persons, system.submission.verification.published
    )


def _person_tools(
    platform: Platform,
    desk: PersonDesk | RemotePersonDesk,
    services: Mapping[str, Persons],
    published: Callable[[], list[dict[str, Any]]],
) -> PersonTools:
    def print_version(row: Mapping[str, Any], ruling: str | None) -> bytes:
        keys = published()
        sheet = Sheet(
            receipt=read_statement(row["receipt"], keys),
            ruling=read_statement(ruling, keys) if ruling else None,
            file_name=row["file_name"],
            assignment_title=row["assignment_id"],
        )
        return print_receipt(sheet)

    return PersonTools(
        erasing=Erasing(desk=desk, services=services),
        export=Export(services, platform.objects, print_version),
        now=platform.clock.now,
    )


def _public_keys(submission: RemoteService) -> list[dict[str, Any]]:
    return submission.read(submission.get("/.well-known/jwks.json", seconds=KEYS_SECONDS), PUBLIC_KEYS).keys


def _tools(
    platform: Platform,
    inspections: Mapping[str, Inspection],
    letters: Mapping[str, DeadLetters | RemoteDeadLetters],
    keys: list[dict[str, Any]],
) -> Tools:
    return Tools(
        audit=Audit(inspections, platform.objects, lambda receipt: verify(receipt, keys), platform.channel.message_ids),
        desk=DeadLetterDesk(letters),
        now=platform.clock.now,
        machine_now=lambda: datetime.now(UTC),
        settle_seconds=platform.settings.settle_seconds,
        digest_window_seconds=platform.settings.digest_window_seconds,
    )
