"""Topic `etma.marking.v1`: the ruling on each version, and who has the script."""

from __future__ import annotations

from shared.contracts.base import Fact, FactEnum, Moment, Topic
from shared.contracts.submission import ScanOutcome

MARKING = Topic(name="etma.marking.v1", producer="marking")


class NotTakenReason(FactEnum):
    """Why a later version does not replace the one the tutor has."""

    COLLECTED = "collected"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class HoldReason(FactEnum):
    """What a script waits for before it can go to a tutor; a closed list, `unknown` fails the audit."""

    GROUP = "group"
    TUTOR = "tutor"
    UNKNOWN = "unknown"


class AllocationReason(FactEnum):
    """Why this tutor marks this script."""

    TUTOR_GROUP = "tutor_group"
    UNKNOWN = "unknown"


class VersionTaken(Fact):
    """A version is now the one to be marked."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    assignment_id: str
    person_ref: str
    ruled_at: Moment


class VersionNotTaken(Fact):
    """A version was kept but is not the one to be marked; `tutor_ref` is asked."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    assignment_id: str
    person_ref: str
    tutor_ref: str | None
    reason: NotTakenReason
    ruled_at: Moment


class LaterVersionTaken(Fact):
    """The tutor marks a version that came after collection, instead of the earlier one; it is to be collected."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    earlier_submission_id: str
    earlier_version: int
    assignment_id: str
    person_ref: str
    tutor_ref: str
    decided_at: Moment


class LaterVersionDeclined(Fact):
    """The tutor keeps the earlier version; the one that came after its collection is not marked."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    earlier_submission_id: str
    earlier_version: int
    assignment_id: str
    person_ref: str
    tutor_ref: str
    decided_at: Moment


class ScriptHeld(Fact):
    """The script has no tutor and waits; `from_tutor_ref` is who had it until now, if anybody."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    assignment_id: str
    person_ref: str
    waits_for: HoldReason
    held_at: Moment
    from_tutor_ref: str | None = None


class ScriptAllocated(Fact):
    """The script goes to this tutor."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    tutor_ref: str
    group_id: str
    reason: AllocationReason
    allocated_at: Moment


class ScriptReallocated(Fact):
    """The script moved from one tutor to another before it was collected."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    from_tutor_ref: str
    tutor_ref: str
    group_id: str
    reason: AllocationReason
    reallocated_at: Moment


class ScriptCollected(Fact):
    """The tutor downloaded this version for the first time: it is frozen."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    assignment_id: str
    person_ref: str
    tutor_ref: str
    collected_at: Moment


class CollectedVersionScanned(Fact):
    """A version that this tutor has downloaded turned out to hold malware, or after that not to."""

    topic = MARKING
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    assignment_id: str
    person_ref: str
    tutor_ref: str
    outcome: ScanOutcome
    scanned_at: Moment
