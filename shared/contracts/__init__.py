"""The facts between services: past-tense, frozen, and without any personal data but in `PersonRecorded`.

Contracts only grow: an unknown field is ignored, an unknown enum value becomes `unknown`, an unknown type is counted
and skipped by the reader. Nothing but pydantic is imported here.
"""

from shared.contracts.base import Fact, FactEnum, Topic
from shared.contracts.catalogue import (
    CATALOGUE,
    AssignmentDefined,
    AssignmentKind,
    EnrolmentRecorded,
    EnrolmentStatus,
    LatePolicy,
    SubmissionCategory,
    TutorGroupRecorded,
    TutorRecorded,
)
from shared.contracts.marking import (
    MARKING,
    AllocationReason,
    CollectedVersionScanned,
    HoldReason,
    LaterVersionDeclined,
    LaterVersionTaken,
    NotTakenReason,
    ScriptAllocated,
    ScriptCollected,
    ScriptHeld,
    ScriptReallocated,
    VersionNotTaken,
    VersionTaken,
)
from shared.contracts.media_types import MEDIA_TYPES
from shared.contracts.notification import NOTIFICATION, DeliveryFailed, DeliverySent
from shared.contracts.person import PERSON, PersonErased, PersonRecorded
from shared.contracts.registry import FACTS, TOPICS, fact_name, fact_type
from shared.contracts.submission import (
    SUBMISSION,
    Band,
    Channel,
    CorrectionReason,
    LatenessCorrected,
    RefusalReason,
    ScanOutcome,
    SubmissionReceived,
    SubmissionRefused,
    SubmissionScanned,
    SubmissionStatus,
    UploadLapsed,
    work_id_of,
)

__all__ = [
    "CATALOGUE",
    "FACTS",
    "MARKING",
    "MEDIA_TYPES",
    "NOTIFICATION",
    "PERSON",
    "SUBMISSION",
    "TOPICS",
    "AllocationReason",
    "AssignmentDefined",
    "AssignmentKind",
    "Band",
    "Channel",
    "CollectedVersionScanned",
    "CorrectionReason",
    "DeliveryFailed",
    "DeliverySent",
    "EnrolmentRecorded",
    "EnrolmentStatus",
    "Fact",
    "FactEnum",
    "HoldReason",
    "LatePolicy",
    "LatenessCorrected",
    "LaterVersionDeclined",
    "LaterVersionTaken",
    "NotTakenReason",
    "PersonErased",
    "PersonRecorded",
    "RefusalReason",
    "ScanOutcome",
    "ScriptAllocated",
    "ScriptCollected",
    "ScriptHeld",
    "ScriptReallocated",
    "SubmissionCategory",
    "SubmissionReceived",
    "SubmissionRefused",
    "SubmissionScanned",
    "SubmissionStatus",
    "Topic",
    "TutorGroupRecorded",
    "TutorRecorded",
    "UploadLapsed",
    "VersionNotTaken",
    "VersionTaken",
    "fact_name",
    "fact_type",
    "work_id_of",
]
