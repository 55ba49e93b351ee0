"""Topic `etma.catalogue.v1`: what there is to hand in, by whom and to whom. Full state, with a revision.

Revisions come from one counter of the catalogue, so that of two facts about different things the later one is known:
a person found in two groups belongs to the group with the higher revision.
"""

from __future__ import annotations

from shared.contracts.base import Fact, FactEnum, Moment, Topic

CATALOGUE = Topic(name="etma.catalogue.v1", producer="submission", compacted=True)


class AssignmentKind(FactEnum):
    """TMA: tutor-marked; EMA: end-of-module; DUMMY: TMA00, which counts for nothing (domain.md §1)."""

    TMA = "tma"
    EMA = "ema"
    DUMMY = "dummy"
    UNKNOWN = "unknown"


class LatePolicy(FactEnum):
    """What happens to work after grace (domain.md §1)."""

    REFUSE = "refuse"
    ACCEPT_LATE = "accept_late"
    NEXT_DAY_WITH_PENALTY = "next_day_with_penalty"
    UNKNOWN = "unknown"


class SubmissionCategory(FactEnum):
    """How a module lets work be handed in (domain.md §3)."""

    ONLINE_ENCOURAGED = "1a"
    STUDENT_CHOOSES = "1b"
    ONLINE_ONLY = "2"
    PAPER_ONLY = "3"
    MIXED = "4"
    UNKNOWN = "unknown"


class EnrolmentStatus(FactEnum):
    """Only an active student hands in."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


class AssignmentDefined(Fact):
    """An assignment with its rules. `module_title` and `title` are for people; sizes in bytes.

    No agreement gives more time than until `latest_cut_off_at`, where there is one.
    """

    topic = CATALOGUE
    key_field = "assignment_id"

    assignment_id: str
    revision: int
    presentation_id: str
    module_code: str
    module_title: str
    title: str
    kind: AssignmentKind
    cut_off_at: Moment
    grace_ends_at: Moment
    late_policy: LatePolicy
    category: SubmissionCategory
    allowed_types: tuple[str, ...]
    max_bytes: int
    max_name_length: int
    scored: bool
    anonymous: bool
    final: bool
    latest_cut_off_at: Moment | None = None


class EnrolmentRecorded(Fact):
    """A person studies a presentation, or no longer does."""

    topic = CATALOGUE
    key_field = "enrolment_id"

    enrolment_id: str
    revision: int
    presentation_id: str
    person_ref: str
    status: EnrolmentStatus


class TutorRecorded(Fact):
    """A person tutors on a presentation."""

    topic = CATALOGUE
    key_field = "tutor_id"

    tutor_id: str
    revision: int
    presentation_id: str
    person_ref: str


class TutorGroupRecorded(Fact):
    """A tutor's group as full state; `tutor_ref` is None while nobody has it."""

    topic = CATALOGUE
    key_field = "group_id"

    group_id: str
    revision: int
    presentation_id: str
    tutor_ref: str | None
    member_refs: tuple[str, ...]
