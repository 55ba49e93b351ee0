"""What a grant is: a role, how far it reaches, from when and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from shared.clock import LONDON
from shared.errors import Rejected
from shared.web.rights import PEOPLE
from shared.web.scopes import EVERYTHING, checked_scope

GRANTED = tuple(str(role) for role in PEOPLE)
"""The roles that a person can have."""


class Source(StrEnum):
    """Who says that somebody has a role; each takes back only what it has given."""

    IMPORT = "import"
    """The university's data about its people."""
    DESK = "desk"
    """An administrator."""
    SIGN_IN = "sign_in"
    """The provider through which somebody signs in."""


class BadGrant(Rejected):
    """The grant contradicts itself, or names what is not known; `field` is the part of it that is wrong."""

    code = "bad_grant"
    title = "This role cannot be given"

    def __init__(self, detail: str, *, field: str) -> None:
        super().__init__(detail)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role of a person, from `valid_from` on (None: ever since) and before `valid_until` (None: for good)."""

    person_ref: str
    role: str
    scope: str = EVERYTHING
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it holds at this moment."""
        begun = self.valid_from is None or self.valid_from <= now
        return begun and (self.valid_until is None or now < self.valid_until)


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Somebody who has a role now: how far it reaches, and until when; None: without an end."""

    person_ref: str
    scopes: tuple[str, ...]
    until: datetime | None


def checked_grant(grant: Grant) -> Grant:
    """The grant itself; raises `BadGrant` and `BadScope`."""
    checked_scope(grant.scope)
    if grant.role not in GRANTED:
        raise BadGrant(f"There is no role {grant.role}. The roles are {', '.join(GRANTED)}.", field="role")
    if grant.valid_from and grant.valid_until and grant.valid_until <= grant.valid_from:
        raise BadGrant("The role would end before it begins.", field="until")
    return grant


def holding_of(grants: Sequence[Grant], *, now: datetime) -> Holding | None:
    """What these grants of one role to one person come to now; None when none of them holds."""
    held = [each for each in grants if each.holds(now)]
    if not held:
        return None
    ends = [each.valid_until for each in held if each.valid_until is not None]
    until = max(ends) if len(ends) == len(held) else None
    return Holding(person_ref=held[0].person_ref, scopes=tuple(sorted({each.scope for each in held})), until=until)


def end_of(day: str) -> datetime | None:
    """The end of a day in the university's time zone, None for no day; raises `BadGrant`."""
    if not day:
        return None
    try:
        next_day = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise BadGrant(f"{day} is no day. Give it like 2027-01-31.", field="until") from error
    return datetime.combine(next_day, time.min, LONDON)
