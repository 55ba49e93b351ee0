"""The rules of handing in: what is refused before a byte is read, what after, and who a piece of work is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from services.submission.catalogue.domain import Assignment
from services.submission.deadlines.domain import Deadline, admit
from shared.contracts import MEDIA_TYPES, Band, Channel, RefusalReason, SubmissionCategory, SubmissionStatus
from shared.errors import Rejected
from shared.web.scopes import EVERYTHING

_STATUS = {
    RefusalReason.TOO_LATE: 409,
    RefusalReason.TOO_LARGE: 413,
    RefusalReason.EMPTY: 422,
    RefusalReason.WRONG_TYPE: 415,
    RefusalReason.NAME_TOO_LONG: 422,
    RefusalReason.PAPER_ONLY: 409,
    RefusalReason.QUOTA: 409,
}


FORM_BYTES: Final = 64 * 1024
"""What a form may have around its file."""


class Refused(Rejected):
    """Work that cannot be handed in like this; recorded, told to the student, nothing kept."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "Your work was not handed in"

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        super().__init__(detail, reason=str(reason))
        self.reason = reason
        self.status = _STATUS[reason]  # type: ignore[misc]  # each reason has its own status
        self.code = f"refused_{reason}"  # type: ignore[misc]


class KeyReused(Rejected):
    """The Idempotency-Key belongs to other content or to another assignment."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for something else"


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a student has handed in for an assignment: how many versions, and their bytes together."""

    versions: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How much one student may hand in for one assignment, and have under way: all that has a number is here."""

    versions: int
    size_bytes: int
    uploads: int
    """Uploads that are not at their end."""

    def check(self, used: Used, *, more_bytes: int) -> None:
        """Raises `Refused` when one more version of so many bytes is more than is kept."""
        if used.versions >= self.versions:
            raise self._refusal(f"You have handed in {used.versions} of {self.versions} versions")
        if used.size_bytes + more_bytes > self.size_bytes:
            have = f"{_megabytes(used.size_bytes)} of {_megabytes(self.size_bytes)} MB"
            raise self._refusal(f"Your versions have {have}, too much for {_megabytes(more_bytes)} MB more")

    def _refusal(self, what: str) -> Refused:
        advice = "If you need to hand in once more, ask your student support team."
        return Refused(RefusalReason.QUOTA, f"{what}. Everything you handed in is kept. {advice}")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / (1024 * 1024):,.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Somebody starts to hand in; `role` is that of who does it, for `person_ref`, whose work it is.

    `scopes` say how far that role reaches.
    """

    assignment_id: str
    person_ref: str
    submitted_by: str
    role: str = "student"
    channel: Channel
    idempotency_key: str
    started_at: datetime
    announced_bytes: int | None = None
    correlation_id: str = ""
    scopes: tuple[str, ...] = (EVERYTHING,)

    @property
    def actor(self) -> str:
        """Who acts, as facts name it: the student, or who does it for them."""
        return f"{self.role}:{self.submitted_by}"


def check_before_reading(
    assignment: Assignment, deadline: Deadline, attempt: Attempt, quota: Quota, used: Used, *, now: datetime
) -> None:
    """Refuse what can be known before the first byte of the file; raises `Refused`."""
    check_open(assignment, deadline, now=now)
    at_least_bytes = max(0, (attempt.announced_bytes or 0) - FORM_BYTES)
    if at_least_bytes > assignment.max_bytes:
        raise too_large(assignment)
    quota.check(used, more_bytes=at_least_bytes)


def check_open(assignment: Assignment, deadline: Deadline, *, now: datetime) -> None:
    """Raises `Refused` when the assignment takes nothing online, or nothing any more."""
    if assignment.category is SubmissionCategory.PAPER_ONLY:
        raise Refused(RefusalReason.PAPER_ONLY, "This assignment is handed in on paper. Your tutor has the address.")
    check_in_time(deadline, arrived_at=now)


def closed(assignment: Assignment, deadline: Deadline, quota: Quota, used: Used, *, now: datetime) -> str | None:
    """Why nothing can be handed in now, whatever it is, in words; None when something can."""
    try:
        check_open(assignment, deadline, now=now)
        quota.check(used, more_bytes=1)
    except Refused as refused:
        return refused.detail
    return None


def check_in_time(deadline: Deadline, *, arrived_at: datetime) -> tuple[Band, SubmissionStatus]:
    """How an arrival counts; raises `Refused` when it is too late for the assignment's policy."""
    band, status = admit(arrived_at, deadline)
    if band is Band.REFUSED:
        detail = (
            "The time for handing in is over, and no request for more time is open. "
            "If something prevented you, ask your student support team."
        )
        raise Refused(RefusalReason.TOO_LATE, detail)
    return band, status


def too_large(assignment: Assignment) -> Refused:
    """The refusal of a file above the assignment's limit."""
    limit = assignment.max_bytes / (1024 * 1024)
    return Refused(RefusalReason.TOO_LARGE, f"The file is larger than {limit:g} MB, the limit of this assignment.")


def check_name(assignment: Assignment, name: str) -> None:
    """Raises `Refused` when the file name is longer than the assignment allows."""
    if len(name) > assignment.max_name_length:
        detail = (
            f"The file name has {len(name)} characters; this assignment allows {assignment.max_name_length}. "
            "Please give the file a shorter name and send it again."
        )
        raise Refused(RefusalReason.NAME_TOO_LONG, detail)


def check_content(assignment: Assignment, *, size_bytes: int, media_type: str | None) -> str:
    """The media type of a file that may be handed in; raises `Refused` for an empty one or a type not allowed."""
    if size_bytes == 0:
        raise Refused(RefusalReason.EMPTY, "The file is empty. Please check that you chose the right one.")
    allowed = {MEDIA_TYPES[name] for name in assignment.allowed_types}
    if media_type is None or media_type not in allowed:
        names = ", ".join(assignment.allowed_types)
        detail = f"The file is of a type that this assignment does not take. It takes: {names}."
        raise Refused(RefusalReason.WRONG_TYPE, detail)
    return media_type


class Standing(StrEnum):
    """How a version stands to the tutor, as far as the student can know."""

    RECEIVED = "received"
    """Marking has not ruled on it yet; that takes seconds."""
    WAITING = "waiting"
    """It is the one that the tutor will collect, unless a later one replaces it."""
    WITH_TUTOR = "with_tutor"
    REPLACED = "replaced"
    ASKED = "asked"
    """It came after the tutor had collected an earlier one, and the tutor is asked."""
    PASSED_OVER = "passed_over"
    """The tutor was asked, but a still later one came before the answer."""
    TAKEN_INSTEAD = "taken_instead"
    """The tutor takes it instead of the one collected before, and will collect it, unless a later one replaces it."""
    DECLINED = "declined"
    """The tutor keeps the one collected before."""
    KEPT = "kept"
    """It is not the one that is marked, and nobody is asked."""

    @property
    def words(self) -> str:
        """The standing in words for the student."""
        return _WORDS[self]


_WORDS = {
    Standing.RECEIVED: "Received and kept.",
    Standing.WAITING: "Waiting for your tutor to collect it.",
    Standing.WITH_TUTOR: "With your tutor.",
    Standing.REPLACED: "Kept, and replaced by a later version.",
    Standing.ASKED: "Kept. Your tutor had collected an earlier version, and is asked which one to mark.",
    Standing.PASSED_OVER: "Kept. Your tutor was asked about it, and you handed in again before the answer.",
    Standing.TAKEN_INSTEAD: "Your tutor takes this version instead of the earlier one, and will collect it.",
    Standing.DECLINED: "Kept. Your tutor keeps the earlier version, and marks that one.",
    Standing.KEPT: "Kept. It is not the version that is marked.",
}


class Ruled(Protocol):
    """A version with what marking ruled on it, and what the tutor chose (`decision`: `taken` or `declined`)."""

    @property
    def submission_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def ruling(self) -> str | None: ...
    @property
    def ruling_reason(self) -> str | None: ...
    @property
    def decision(self) -> str | None: ...
    @property
    def collected_at(self) -> datetime | None: ...


def standings(versions: Sequence[Ruled]) -> Mapping[str, Standing]:
    """How each version of one piece of work stands, by its submission; whatever order they are in."""
    in_force = _in_force(versions)
    last_ruled = max((each.version for each in versions if each.ruling), default=0)
    return {
        each.submission_id: _in_force_standing(each)
        if each is in_force
        else _other_standing(each, has_later=each.version < last_ruled)
        for each in versions
    }


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A piece of work in a word: the version that the tutor has or takes, else the latest; and those after it."""

    chosen: Ruled
    with_tutor: bool
    later: Sequence[Ruled]


def summary_of(versions: Sequence[Ruled]) -> Summary:
    """Of one or more versions, whatever order they are in."""
    in_order = sorted(versions, key=lambda each: each.version)
    was_collected = any(each.collected_at is not None for each in in_order)
    chosen = (_in_force(in_order) if was_collected else None) or in_order[-1]
    later = [each for each in in_order if each.version > chosen.version]
    return Summary(chosen=chosen, with_tutor=chosen.collected_at is not None, later=later)


def _in_force(versions: Sequence[Ruled]) -> Ruled | None:
    """The one that is to be marked: never an earlier one than before, so it is the last that was ever taken."""
    taken = [each for each in versions if "taken" in {each.ruling, each.decision} or each.collected_at]
    return max(taken, key=lambda each: each.version, default=None)


def _in_force_standing(version: Ruled) -> Standing:
    if version.collected_at is not None:
        return Standing.WITH_TUTOR
    return Standing.WAITING if version.ruling == "taken" else Standing.TAKEN_INSTEAD


def _other_standing(version: Ruled, *, has_later: bool) -> Standing:
    if version.ruling is None and version.collected_at is None:
        return Standing.RECEIVED
    if version.ruling != "not_taken" or version.decision == "taken":
        return Standing.REPLACED
    if version.decision == "declined":
        return Standing.DECLINED
    if version.ruling_reason != "collected":
        return Standing.KEPT
    return Standing.PASSED_OVER if has_later else Standing.ASKED
