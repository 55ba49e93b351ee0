"""What may be written down about an erasure: why, and nothing of who it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.errors import Conflict, Rejected

LONGEST_REASON = 500


class BadReason(Rejected):
    """The reason is missing, or says who the person was."""

    code = "bad_reason"
    title = "This reason cannot be kept"


class Held(Conflict):
    """Something is under way, or kept by rule, for which the person is needed."""

    code = "person_held"
    title = "This person cannot be erased now"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A person as the command line names them; `erased_at` of who was erased, when identity has no name any more."""

    person_ref: str
    erased_at: datetime | None = None


def checked_reason(reason: str, personal: Iterable[str | None]) -> str:
    """The reason itself; raises `BadReason` when it is empty, too long, or repeats what is to be erased."""
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        raise BadReason(f"Say why, in at most {LONGEST_REASON} characters. The reason is kept.")
    if any(part.casefold() in text.casefold() for part in personal if part):
        raise BadReason("The reason is kept, so it must not say the person's name, number or address.")
    return text


def check_not_held(holds: Sequence[str]) -> None:
    """Raises `Held` with every reason."""
    if holds:
        raise Held("Nothing was changed: " + "; ".join(holds) + ".")
