"""Topic `etma.submission.v1`: work that was received or refused, or came and was not handed in, lateness that was
corrected, and what the search for malware found.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from shared.contracts.base import Fact, FactEnum, Moment, Topic
from shared.contracts.catalogue import AssignmentKind

SUBMISSION = Topic(name="etma.submission.v1", producer="submission")

WORK_NAMESPACE = UUID("6f1c62d0-5a43-5c1e-9f0d-0d7f4e1f3a55")


def work_id_of(assignment_id: str, person_ref: str) -> str:
    """The id of a student's work on an assignment; the same everywhere, for ever."""
    return str(uuid5(WORK_NAMESPACE, f"{assignment_id}\x1f{person_ref}"))


class Band(FactEnum):
    """How a time of arrival stands to the cut-off (domain.md §1)."""

    ON_TIME = "on_time"
    GRACE = "grace"
    LATE = "late"
    PENALISED = "penalised"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Channel(FactEnum):
    """The way the work came in."""

    WEB = "web"
    API = "api"
    MAIL = "mail"
    PAPER_SCAN = "paper_scan"
    UNKNOWN = "unknown"


class SubmissionStatus(FactEnum):
    """Accepted, or kept while a request for more time is open."""

    ACCEPTED = "accepted"
    PENDING_REQUEST = "pending_request"
    UNKNOWN = "unknown"


class RefusalReason(FactEnum):
    """Why work was not received."""

    TOO_LATE = "too_late"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    WRONG_TYPE = "wrong_type"
    NAME_TOO_LONG = "name_too_long"
    PAPER_ONLY = "paper_only"
    QUOTA = "quota"
    """The student has handed in as much for this assignment as is kept."""
    UNKNOWN = "unknown"


class CorrectionReason(FactEnum):
    """Why lateness was ruled on anew."""

    CUT_OFF_MOVED = "cut_off_moved"
    UNKNOWN = "unknown"


class ScanOutcome(FactEnum):
    """What the search for malware in a version ended with."""

    CLEAN = "clean"
    BLOCKED = "blocked"
    UNSCANNABLE = "unscannable"
    """The scanner will not look into it as it is set up: too large, encrypted, nested too deeply."""
    UNKNOWN = "unknown"


class SubmissionReceived(Fact):
    """A version of a piece of work is in the object store and its receipt is signed."""

    topic = SUBMISSION
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    assignment_id: str
    presentation_id: str
    assignment_kind: AssignmentKind
    scored: bool
    anonymous: bool
    person_ref: str
    submitted_by: str
    channel: Channel
    upload_started_at: Moment
    arrived_at: Moment
    cut_off_at: Moment
    cut_off_revision: int
    band: Band
    status: SubmissionStatus
    object_key: str
    object_version: str
    size_bytes: int
    sha256: str
    media_type: str
    receipt_id: str


class UploadLapsed(Fact):
    """A file arrived whole, nobody handed it in while there was time for that, and it is deleted."""

    topic = SUBMISSION
    key_field = "work_id"

    work_id: str
    upload_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    submitted_by: str
    arrived_at: Moment
    lapsed_at: Moment


class SubmissionRefused(Fact):
    """Somebody tried to hand in and was refused; nothing was kept but this."""

    topic = SUBMISSION
    key_field = "work_id"

    work_id: str
    refusal_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    submitted_by: str
    channel: Channel
    reason: RefusalReason
    refused_at: Moment
    cut_off_at: Moment


class LatenessCorrected(Fact):
    """A version stands to the cut-off otherwise than was ruled before; a signed ruling that names its receipt says so.

    `band_before` is the ruling that held until now, by the receipt or by an earlier correction.
    """

    topic = SUBMISSION
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    assignment_id: str
    presentation_id: str
    person_ref: str
    receipt_id: str
    ruling_id: str
    band_before: Band
    band: Band
    cut_off_at: Moment
    cut_off_revision: int
    reason: CorrectionReason
    corrected_at: Moment


class SubmissionScanned(Fact):
    """A version was looked through for malware, with another outcome than before; the first time `outcome_before` is
    None.

    `signatures` names the scanner and what it knew, in its own words; what it found has no place here.
    """

    topic = SUBMISSION
    key_field = "work_id"

    work_id: str
    submission_id: str
    version: int
    assignment_id: str
    presentation_id: str
    person_ref: str
    outcome: ScanOutcome
    outcome_before: ScanOutcome | None
    signatures: str
    scanned_at: Moment
