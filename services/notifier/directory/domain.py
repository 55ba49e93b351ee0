"""Which of several states of a thing is the one to keep."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

OPERATIONS = "operations"
"""Stands for operations staff where a person is named; known to nobody else, and reached by the address that the
settings name."""

SUPPORT = "support"
"""The same of student support."""

GROUPS = {OPERATIONS: "operations staff", SUPPORT: "student support"}
"""Groups of staff who stand for a person, by how they are greeted."""


class Revised(Protocol):
    """A full state of a thing, of which a later one replaces an earlier one."""

    @property
    def key(self) -> str: ...

    @property
    def revision(self) -> int: ...


R = TypeVar("R", bound=Revised)


def latest(states: Iterable[R]) -> list[R]:
    """Return the state with the highest revision of each key."""
    newest: dict[str, R] = {}
    for state in states:
        known = newest.get(state.key)
        if known is None or state.revision > known.revision:
            newest[state.key] = state
    return list(newest.values())


_TURNING = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"})
"""Of characters that are written to the left, or that change the direction (Unicode Standard Annex 9)."""

_BEGIN, _END = "\u2068", "\u2069"


def label_of(module_code: str, title: str) -> str:
    """What people call an assignment. A title that could turn the words around it is kept apart from them."""
    turns = any(unicodedata.bidirectional(character) in _TURNING for character in title)
    return f"{module_code} {_BEGIN}{title}{_END}" if turns else f"{module_code} {title}"


@dataclass(frozen=True, kw_only=True)
class Contact:
    """How a person is greeted, and where mail reaches them; `email` is None when they have no address."""

    person_ref: str
    name: str
    email: str | None
    erased: bool = False


def erased_contact(person_ref: str) -> Contact:
    """Somebody of whom nothing but the reference is known any more."""
    return Contact(person_ref=person_ref, name="", email=None, erased=True)
