"""The form in which a catalogue comes in: what a file describes, before it is compared with the database."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.contracts import MEDIA_TYPES, AssignmentKind, LatePolicy, SubmissionCategory

MEGABYTE = 1024 * 1024

PersonalId = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{7}$")]
StaffNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
ModuleCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,4}[0-9]{0,3}$")]
PresentationCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2,4}[A-L]$")]
StaffRole = Literal["tutor", "monitor", "support", "post_room", "proxy", "operations", "admin"]
Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2199, 12, 31))]
GroupNumber = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,8}$")]


class Entry(BaseModel):
    """Unknown fields are errors, so that a typing mistake is seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StudentEntry(Entry):
    """A student; `personal_id` is a letter and seven digits."""

    personal_id: PersonalId
    name: Name
    email: Email | None = None


class StaffEntry(Entry):
    """A tutor or somebody else of the university; `staff_number` has eight digits."""

    staff_number: StaffNumber
    name: Name
    email: Email | None = None
    roles: tuple[StaffRole, ...] = ("tutor",)


class AssignmentEntry(Entry):
    """An assignment; the cut-off is noon UK time of that day."""

    number: Annotated[str, StringConstraints(pattern=r"^(TMA|EMA)[0-9]{2}$")]
    title: Name
    kind: AssignmentKind
    cut_off: Day
    late_policy: LatePolicy | None = None
    category: SubmissionCategory = SubmissionCategory.ONLINE_ENCOURAGED
    allowed_types: tuple[str, ...] = ("doc", "docx", "rtf", "pdf", "odt")
    max_megabytes: Annotated[float, Field(gt=0, le=1024)] = 10
    max_name_length: Annotated[int, Field(ge=8, le=255)] = 50
    scored: bool | None = None
    anonymous: bool = False
    final: bool = False

    @model_validator(mode="after")
    def _words_are_known(self) -> AssignmentEntry:
        unknown = [name for name in self.allowed_types if name not in MEDIA_TYPES]
        if unknown:
            message = f"allowed_types: {', '.join(unknown)} is not known; known are {', '.join(MEDIA_TYPES)}"
            raise ValueError(message)
        if "unknown" in (self.kind, self.category, self.late_policy):
            message = (
                "kind is tma, ema or dummy; category is 1a, 1b, 2, 3 or 4; "
                "late_policy is refuse, accept_late or next_day_with_penalty"
            )
            raise ValueError(message)
        return self

    @property
    def effective_late_policy(self) -> LatePolicy:
        """As given; else the next day with penalty for an EMA, refusal for anything else."""
        by_kind = LatePolicy.NEXT_DAY_WITH_PENALTY if self.kind is AssignmentKind.EMA else LatePolicy.REFUSE
        return self.late_policy or by_kind

    @property
    def effective_scored(self) -> bool:
        """As given; else everything but a dummy counts."""
        return self.kind is not AssignmentKind.DUMMY if self.scored is None else self.scored


class GroupEntry(Entry):
    """A tutor's group; without a tutor its students' work is held."""

    number: GroupNumber
    tutor: StaffNumber | None = None
    students: tuple[PersonalId, ...] = ()


class PresentationEntry(Entry):
    """One run of a module, such as 26J: year and the letter of the month in which it starts.

    `ends` is the last day of the module: no agreement moves the cut-off of its final TMA beyond the first day of that
    month (domain.md §1).
    """

    code: PresentationCode
    ends: Day | None = None
    assignments: tuple[AssignmentEntry, ...] = ()
    enrolled: tuple[PersonalId, ...] = ()
    withdrawn: tuple[PersonalId, ...] = ()
    groups: tuple[GroupEntry, ...] = ()


class ModuleEntry(Entry):
    """A module with its presentations."""

    code: ModuleCode
    title: Name
    presentations: tuple[PresentationEntry, ...] = ()


class University(Entry):
    """All of it, or a part: what is not named stays as it is."""

    students: tuple[StudentEntry, ...] = ()
    staff: tuple[StaffEntry, ...] = ()
    modules: tuple[ModuleEntry, ...] = ()
