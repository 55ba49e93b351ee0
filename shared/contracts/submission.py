"""Topic `etma.submission.v1`: work that was received or refused, or came and was not handed in, lateness that was
corrected, what the search for malware found, and what students and tutors agree on.
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
    MORE_TIME = "more_time"
    """More time was agreed for this one piece of work."""
    NO_MORE_TIME = "no_more_time"
    """The request for more time, under whose protection the work came in, ended without an agreement."""
    UNKNOWN = "unknown"


class ScanOutcome(FactEnum):
    """What the search for malware in a version ended with."""

    CLEAN = "clean"
    BLOCKED = "blocked"
    UNSCANNABLE = "unscannable"
    """The scanner will not look into it as it is set up: too large, encrypted, nested too deeply."""
    UNKNOWN = "unknown"


class RequestKind(FactEnum):
    """What a student asks for."""

    MORE_TIME = "more_time"
    UNKNOWN = "unknown"


class Party(FactEnum):
    """One side of a request: the student, or the tutor, in whose stead student support may answer."""

    STUDENT = "student"
    TUTOR = "tutor"
    SUPPORT = "support"
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


class RequestFact(Fact):
    """Something happened to a student's request. No words of either side are in it.

    `revision` is the number of the terms that are on the table afterwards; an answer names it. `tutor_ref` is who has
    the student's group then; None while nobody has it.
    """

    topic = SUBMISSION
    key_field = "work_id"

    work_id: str
    request_id: str
    kind: RequestKind
    revision: int
    assignment_id: str
    presentation_id: str
    person_ref: str
    tutor_ref: str | None


class RequestProposed(RequestFact):
    """A student asks for a new cut-off, `cut_off_at`; the tutor has until `answer_by`."""

    cut_off_at: Moment
    answer_by: Moment
    proposed_at: Moment


class RequestCountered(RequestFact):
    """One side proposed other terms, and it is for the other one to answer until `answer_by`."""

    by: Party
    cut_off_at: Moment
    answer_by: Moment
    countered_at: Moment


class RequestAgreed(RequestFact):
    """The terms on the table hold."""

    by: Party
    cut_off_at: Moment
    agreed_at: Moment


class RequestDeclined(RequestFact):
    """One side does not agree, and the request is at its end."""

    by: Party
    declined_at: Moment


class RequestWithdrawn(RequestFact):
    """The student does not ask any more."""

    withdrawn_at: Moment


class RequestLapsed(RequestFact):
    """The student did not answer in time."""

    lapsed_at: Moment


class RequestEscalated(RequestFact):
    """The tutor did not answer in time, or there is none: student support may answer as well, from now on."""

    escalated_at: Moment


class RequestReminded(RequestFact):
    """It is time to remind `party`, who has until `answer_by` to answer."""

    party: Party
    answer_by: Moment
    reminded_at: Moment


class RequestMoved(RequestFact):
    """The student's group has another tutor, who answers from now on; `from_tutor_ref` is who did until now."""

    from_tutor_ref: str | None
    moved_at: Moment


class CutOffChanged(Fact):
    """A piece of work has a cut-off of its own, by an agreement; `revision` is of the same counter as the catalogue's.

    It holds while it is later than the assignment's.
    """

    topic = SUBMISSION
    key_field = "work_id"

    work_id: str
    request_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    revision: int
    cut_off_at: Moment
    grace_ends_at: Moment
    changed_at: Moment
