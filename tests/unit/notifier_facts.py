"""Facts as the other services publish them, for tests of the notifier."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid4, uuid5

from shared.contracts import (
    AllocationReason,
    AssignmentDefined,
    AssignmentKind,
    Band,
    Channel,
    CorrectionReason,
    HoldReason,
    LatenessCorrected,
    LatePolicy,
    LaterVersionDeclined,
    LaterVersionTaken,
    NotTakenReason,
    PersonRecorded,
    RefusalReason,
    ScriptAllocated,
    ScriptHeld,
    ScriptReallocated,
    SubmissionCategory,
    SubmissionReceived,
    SubmissionRefused,
    SubmissionStatus,
    UploadLapsed,
    VersionNotTaken,
)

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PRESENTATION = "K827-26J"
TMA01 = "K827-26J-TMA01"
TMA02 = "K827-26J-TMA02"


def work_of(person_ref: str, assignment_id: str = TMA01) -> str:
    return str(uuid5(NAMESPACE_URL, f"{assignment_id}/{person_ref}"))


def person(
    person_ref: str, *, name: str = "Ada", email: str | None = "ada@example.org", revision: int = 1
) -> PersonRecorded:
    return PersonRecorded(
        person_ref=person_ref, revision=revision, name=name, email=email, personal_id=None, staff_number=None
    )


def assignment(assignment_id: str = TMA01, *, title: str = "TMA 01", revision: int = 1) -> AssignmentDefined:
    return AssignmentDefined(
        assignment_id=assignment_id,
        revision=revision,
        presentation_id=PRESENTATION,
        module_code="K827",
        module_title="Communities",
        title=title,
        kind=AssignmentKind.TMA,
        cut_off_at=NOON,
        grace_ends_at=NOON,
        late_policy=LatePolicy.REFUSE,
        category=SubmissionCategory.ONLINE_ONLY,
        allowed_types=("application/pdf",),
        max_bytes=1_000_000,
        max_name_length=50,
        scored=True,
        anonymous=False,
        final=False,
    )


def received(person_ref: str = "ada", *, submitted_by: str | None = None, version: int = 1) -> SubmissionReceived:
    return SubmissionReceived(
        work_id=work_of(person_ref),
        submission_id=str(uuid4()),
        version=version,
        assignment_id=TMA01,
        presentation_id=PRESENTATION,
        assignment_kind=AssignmentKind.TMA,
        scored=True,
        anonymous=False,
        person_ref=person_ref,
        submitted_by=submitted_by or person_ref,
        channel=Channel.WEB,
        upload_started_at=NOON,
        arrived_at=NOON,
        cut_off_at=NOON,
        cut_off_revision=1,
        band=Band.ON_TIME,
        status=SubmissionStatus.ACCEPTED,
        object_key="key",
        object_version="1",
        size_bytes=10,
        sha256="0" * 64,
        media_type="application/pdf",
        receipt_id=str(uuid4()),
    )


def refused(person_ref: str = "ada", *, reason: RefusalReason = RefusalReason.TOO_LATE) -> SubmissionRefused:
    return SubmissionRefused(
        work_id=work_of(person_ref),
        refusal_id=str(uuid4()),
        assignment_id=TMA01,
        presentation_id=PRESENTATION,
        person_ref=person_ref,
        submitted_by=person_ref,
        channel=Channel.WEB,
        reason=reason,
        refused_at=NOON,
        cut_off_at=NOON,
    )


def corrected(person_ref: str = "ada", *, band: Band = Band.ON_TIME) -> LatenessCorrected:
    return LatenessCorrected(
        work_id=work_of(person_ref),
        submission_id=str(uuid4()),
        version=2,
        assignment_id=TMA01,
        presentation_id=PRESENTATION,
        person_ref=person_ref,
        receipt_id=str(uuid4()),
        ruling_id=str(uuid4()),
        band_before=Band.LATE,
        band=band,
        cut_off_at=NOON,
        cut_off_revision=2,
        reason=CorrectionReason.CUT_OFF_MOVED,
        corrected_at=NOON,
    )


def lapsed(person_ref: str = "ada") -> UploadLapsed:
    return UploadLapsed(
        work_id=work_of(person_ref),
        upload_id=str(uuid4()),
        assignment_id=TMA01,
        presentation_id=PRESENTATION,
        person_ref=person_ref,
        submitted_by=person_ref,
        arrived_at=NOON,
        lapsed_at=NOON,
    )


def not_taken(
    person_ref: str = "ada", *, tutor_ref: str | None = "tom", reason: NotTakenReason = NotTakenReason.COLLECTED
) -> VersionNotTaken:
    return VersionNotTaken(
        work_id=work_of(person_ref),
        submission_id=str(uuid4()),
        version=2,
        assignment_id=TMA01,
        person_ref=person_ref,
        tutor_ref=tutor_ref,
        reason=reason,
        ruled_at=NOON,
    )


def chosen(person_ref: str = "ada", *, take: bool = True) -> LaterVersionTaken | LaterVersionDeclined:
    return (LaterVersionTaken if take else LaterVersionDeclined)(
        work_id=work_of(person_ref),
        submission_id=str(uuid4()),
        version=3,
        earlier_submission_id=str(uuid4()),
        earlier_version=1,
        assignment_id=TMA01,
        person_ref=person_ref,
        tutor_ref="tom",
        decided_at=NOON,
    )


def allocated(person_ref: str = "ada", *, tutor_ref: str = "tom", assignment_id: str = TMA01) -> ScriptAllocated:
    return ScriptAllocated(
        work_id=work_of(person_ref, assignment_id),
        assignment_id=assignment_id,
        presentation_id=PRESENTATION,
        person_ref=person_ref,
        tutor_ref=tutor_ref,
        group_id=f"{PRESENTATION}-G01",
        reason=AllocationReason.TUTOR_GROUP,
        allocated_at=NOON,
    )


def moved(person_ref: str = "ada", *, from_tutor_ref: str = "tom", tutor_ref: str = "una") -> ScriptReallocated:
    return ScriptReallocated(
        work_id=work_of(person_ref),
        assignment_id=TMA01,
        presentation_id=PRESENTATION,
        person_ref=person_ref,
        from_tutor_ref=from_tutor_ref,
        tutor_ref=tutor_ref,
        group_id=f"{PRESENTATION}-G02",
        reason=AllocationReason.TUTOR_GROUP,
        reallocated_at=NOON,
    )


def held(person_ref: str = "ada", *, from_tutor_ref: str | None = "tom") -> ScriptHeld:
    return ScriptHeld(
        work_id=work_of(person_ref),
        assignment_id=TMA01,
        person_ref=person_ref,
        waits_for=HoldReason.GROUP,
        held_at=NOON,
        from_tutor_ref=from_tutor_ref,
    )
