"""All facts and topics by name."""

from __future__ import annotations

from shared.contracts.base import Fact, Topic
from shared.contracts.catalogue import (
    CATALOGUE,
    AssignmentDefined,
    EnrolmentRecorded,
    TutorGroupRecorded,
    TutorRecorded,
)
from shared.contracts.marking import (
    MARKING,
    CollectedVersionScanned,
    LaterVersionDeclined,
    LaterVersionTaken,
    ScriptAllocated,
    ScriptCollected,
    ScriptHeld,
    ScriptReallocated,
    VersionNotTaken,
    VersionTaken,
)
from shared.contracts.notification import NOTIFICATION, DeliveryFailed, DeliverySent
from shared.contracts.person import PERSON, PersonErased, PersonRecorded
from shared.contracts.submission import (
    SUBMISSION,
    CutOffChanged,
    LatenessCorrected,
    RequestAgreed,
    RequestCountered,
    RequestDeclined,
    RequestEscalated,
    RequestLapsed,
    RequestMoved,
    RequestProposed,
    RequestReminded,
    RequestWithdrawn,
    SubmissionReceived,
    SubmissionRefused,
    SubmissionScanned,
    UploadLapsed,
)

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (PERSON, CATALOGUE, SUBMISSION, MARKING, NOTIFICATION)}


def fact_type(fact: type[Fact]) -> str:
    """The CloudEvents `type`: `etma.<producer>.<Name>.v<version of the topic>`."""
    return f"etma.{fact.topic.producer}.{fact.__name__}.{fact.topic.name.rsplit('.', 1)[-1]}"


def fact_name(ce_type: str) -> str:
    """A fact's own name, without producer and version; what has no such form is itself."""
    parts = ce_type.split(".")
    return parts[-2] if len(parts) > 2 else ce_type  # noqa: PLR2004 - producer, name, version


FACTS: dict[str, type[Fact]] = {
    fact_type(fact): fact
    for fact in (
        PersonRecorded,
        PersonErased,
        AssignmentDefined,
        EnrolmentRecorded,
        TutorRecorded,
        TutorGroupRecorded,
        SubmissionReceived,
        SubmissionRefused,
        UploadLapsed,
        LatenessCorrected,
        SubmissionScanned,
        RequestProposed,
        RequestCountered,
        RequestAgreed,
        RequestDeclined,
        RequestWithdrawn,
        RequestLapsed,
        RequestEscalated,
        RequestReminded,
        RequestMoved,
        CutOffChanged,
        VersionTaken,
        VersionNotTaken,
        LaterVersionTaken,
        LaterVersionDeclined,
        ScriptHeld,
        ScriptAllocated,
        ScriptReallocated,
        ScriptCollected,
        CollectedVersionScanned,
        DeliverySent,
        DeliveryFailed,
    )
}
