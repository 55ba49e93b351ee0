"""How far a role reaches: over everything, over one presentation, or over one person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from shared.errors import Rejected

EVERYTHING: Final = "*"
_SCOPE = re.compile(r"\*|presentation:[A-Za-z0-9_-]{1,64}|person:[0-9a-f-]{36}")


class BadScope(Rejected):
    """What is given is no scope."""

    code = "bad_scope"
    title = "This is no scope"


def checked_scope(scope: str) -> str:
    """The scope itself; raises `BadScope` unless it is `*`, `presentation:ID` or `person:REF`."""
    if not _SCOPE.fullmatch(scope):
        raise BadScope(f"{scope!r} is no scope. Give * or presentation:ID or person:REF.")
    return scope


def covers(scopes: Sequence[str], *, presentation_id: str, person_ref: str) -> bool:
    """Whether one of the scopes reaches the work of this person in this presentation."""
    return not {EVERYTHING, f"presentation:{presentation_id}", f"person:{person_ref}"}.isdisjoint(scopes)
