"""In which stage a piece of work is, decided alike in whatever order the topics arrive.

received → held | allocated → collected, and back to allocated when the tutor takes a later version. What marking
says overrides what submission says, and among marking's own facts about one work the highest `sequence` wins; so every
interleaving of the two topics ends in the same stage.
Refusals are counted apart: nothing of them is kept, so they have no stage to leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

RECEIVED_SEQUENCE = -1
"""Stands before every sequence of marking, so that an arrival never takes back what marking said."""


class Stage(StrEnum):
    """Where work can be, in the order of its way; `refused` is no place but a count."""

    RECEIVED = "received"
    HELD = "held"
    ALLOCATED = "allocated"
    COLLECTED = "collected"
    REFUSED = "refused"

    @property
    def words(self) -> str:
        """The stage in words for people."""
        return _WORDS[self]


_WORDS = {
    Stage.RECEIVED: "Received, not with marking yet",
    Stage.HELD: "Held, waits for a group or a tutor",
    Stage.ALLOCATED: "With a tutor, to be collected",
    Stage.COLLECTED: "Collected by the tutor",
    Stage.REFUSED: "Refused (attempts)",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A work's stage since when, and the sequence in marking of the fact that said so."""

    work_id: str
    assignment_id: str
    stage: Stage
    since: datetime
    sequence: int


class Pace(StrEnum):
    """Whether a stage moves, by how long the oldest piece of work has been in it."""

    EMPTY = "empty"
    MOVES = "moves"
    SLOW = "slow"

    @property
    def words(self) -> str:
        """The pace in words for people."""
        return {"empty": "Nothing here", "moves": "As usual", "slow": "The oldest waits long"}[self.value]


USUAL: Mapping[Stage, timedelta] = {
    Stage.RECEIVED: timedelta(minutes=10),
    Stage.HELD: timedelta(days=1),
    Stage.ALLOCATED: timedelta(days=14),
    Stage.COLLECTED: timedelta(days=14),
}
"""How long work may be in a stage: the first step is a matter of seconds, a tutor has ten working days."""


def pace_of(stage: Stage, oldest_since: datetime | None, *, now: datetime) -> Pace:
    """The pace of a stage; of refusals, which are in no place, always `EMPTY`."""
    if oldest_since is None:
        return Pace.EMPTY
    return Pace.SLOW if stage in USUAL and now - oldest_since > USUAL[stage] else Pace.MOVES


class Freshness(StrEnum):
    """Whether the counters are up to date."""

    EMPTY = "empty"
    CURRENT = "current"
    QUIET = "quiet"
    BEHIND = "behind"
    UNKNOWN = "unknown"


SETTLES = timedelta(minutes=1)
"""What is younger than this may still be on its way."""
QUIET_AFTER = timedelta(hours=1)


def freshness_of(newest: datetime | None, unread: int | None, *, now: datetime) -> Freshness:
    """How far the counters can be believed; `unread` is how many facts are not counted yet, None when not known."""
    age = None if newest is None else now - newest
    if unread and (age is None or age > SETTLES):
        return Freshness.BEHIND
    if age is None:
        return Freshness.EMPTY
    if age <= QUIET_AFTER:
        return Freshness.CURRENT
    return Freshness.UNKNOWN if unread is None else Freshness.QUIET


Counts = Mapping[tuple[str, Stage], int]
"""Changes of the counters by assignment and stage."""


def settle(before: Mapping[str, Standing], news: Iterable[Standing]) -> tuple[dict[str, Standing], Counts]:
    """Return the standings that change, and by how much each counter changes with them."""
    after: dict[str, Standing] = {}
    for fresh in news:
        held = after.get(fresh.work_id) or before.get(fresh.work_id)
        if held is None or fresh.sequence > held.sequence:
            after[fresh.work_id] = fresh
    changes: Counter[tuple[str, Stage]] = Counter()
    for work_id, standing in after.items():
        changes[standing.assignment_id, standing.stage] += 1
        if work_id in before:
            changes[before[work_id].assignment_id, before[work_id].stage] -= 1
    return after, {counter: change for counter, change in changes.items() if change}
