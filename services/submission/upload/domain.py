"""When bytes without a version may be cleared away, and what of a version matters to its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ORPHANS_TOLERATED = 100
ORPHANS_SHARE = 0.01
ORPHANS_OF_CRASHES = 10
"""As many as a few crashes leave behind in a system that has hardly begun."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a walk over all objects found: how many a version knows, and how many none does."""

    known: int = 0
    orphans: int = 0

    @property
    def is_suspicious(self) -> bool:
        """Whether a lost or an older database explains this better than crashes do: then nothing may be deleted."""
        many = self.orphans > ORPHANS_TOLERATED and self.orphans > ORPHANS_SHARE * (self.known + self.orphans)
        return many or self.orphans > self.known

    @property
    def is_alarming(self) -> bool:
        """Whether a person must look: suspicious, and more than crashes leave behind in a new system."""
        return self.is_suspicious and self.orphans > ORPHANS_OF_CRASHES


@dataclass(frozen=True, kw_only=True)
class Receipted:
    """An object for which a student holds a receipt; `position` is that of its version."""

    position: int
    object_key: str
    object_version: str
    arrived_at: datetime
