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
from datetime import datetime
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
