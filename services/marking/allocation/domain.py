"""The rules: one ruling per version, and who gets a script. Values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.contracts import (
    AllocationReason,
    Fact,
    HoldReason,
    NotTakenReason,
    ScriptAllocated,
    ScriptCollected,
    ScriptHeld,
    ScriptReallocated,
    SubmissionReceived,
    VersionNotTaken,
    VersionTaken,
)


class ScriptState(StrEnum):
    """Where a script is."""

    HELD = "held"
    ALLOCATED = "allocated"
    COLLECTED = "collected"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A student's group in a presentation, and its tutor if it has one."""

    group_id: str
    tutor_ref: str | None


@dataclass(frozen=True, kw_only=True)
class Script:
    """A piece of work as marking sees it; `taken_version` is the one to be marked.

    `collected_at` is when its tutor last collected a version of it: from the first time on it stays with that tutor,
    also while a later version that the tutor takes instead waits to be collected.
    """

    work_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    state: ScriptState
    taken_submission_id: str
    taken_version: int
    waits_for: HoldReason | None = None
    group_id: str | None = None
    tutor_ref: str | None = None
    state_since: datetime
    collected_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The script as it is afterwards, and what is to be said."""

    script: Script
    facts: tuple[Fact, ...]


def take_in(received: SubmissionReceived, script: Script | None, place: Place | None, *, now: datetime) -> Decision:
    """Rule on a version: it replaces the one before unless the tutor has collected that; a first one is placed."""
    if script is None:
        return _first(received, place, now=now)
    if script.state is ScriptState.COLLECTED or received.version <= script.taken_version:
        return Decision(script=script, facts=(_not_taken(received, script, now=now),))
    newer = replace(script, taken_submission_id=received.submission_id, taken_version=received.version)
    return Decision(script=newer, facts=(_taken(received, now=now),))


def place_again(script: Script, place: Place | None, *, now: datetime) -> Decision:
    """Give a script to who should have it as groups are now; what a tutor has ever collected stays."""
    wanted = _placed(script, place, now=now)
    unchanged = (script.group_id, script.tutor_ref, script.waits_for) == (
        wanted.group_id,
        wanted.tutor_ref,
        wanted.waits_for,
    )
    if script.collected_at is not None or unchanged:
        return Decision(script=script, facts=())
    moved = script.tutor_ref != wanted.tutor_ref or script.waits_for != wanted.waits_for
    return Decision(script=wanted, facts=(_announce(script, wanted, now=now),) if moved else ())


def collect(script: Script, tutor_ref: str, *, now: datetime) -> Decision:
    """Freeze the version that is to be marked: the tutor has it. Once; collecting again changes nothing."""
    if script.state is ScriptState.COLLECTED:
        return Decision(script=script, facts=())
    said = ScriptCollected(
        work_id=script.work_id,
        submission_id=script.taken_submission_id,
        version=script.taken_version,
        assignment_id=script.assignment_id,
        person_ref=script.person_ref,
        tutor_ref=tutor_ref,
        collected_at=now,
    )
    return Decision(
        script=replace(script, state=ScriptState.COLLECTED, state_since=now, collected_at=now), facts=(said,)
    )


def _first(received: SubmissionReceived, place: Place | None, *, now: datetime) -> Decision:
    fresh = Script(
        work_id=received.work_id,
        assignment_id=received.assignment_id,
        presentation_id=received.presentation_id,
        person_ref=received.person_ref,
        state=ScriptState.HELD,
        taken_submission_id=received.submission_id,
        taken_version=received.version,
        state_since=now,
    )
    script = _placed(fresh, place, now=now)
    return Decision(script=script, facts=(_taken(received, now=now), _announce(fresh, script, now=now)))


def _placed(script: Script, place: Place | None, *, now: datetime) -> Script:
    if place is None or place.tutor_ref is None:
        waits_for = HoldReason.GROUP if place is None else HoldReason.TUTOR
        group_id = place.group_id if place else None
        return replace(
            script, state=ScriptState.HELD, waits_for=waits_for, group_id=group_id, tutor_ref=None, state_since=now
        )
    return replace(
        script,
        state=ScriptState.ALLOCATED,
        waits_for=None,
        group_id=place.group_id,
        tutor_ref=place.tutor_ref,
        state_since=now,
    )


def _announce(before: Script, after: Script, *, now: datetime) -> Fact:
    if after.tutor_ref is None or after.group_id is None:
        return ScriptHeld(
            work_id=after.work_id,
            assignment_id=after.assignment_id,
            person_ref=after.person_ref,
            waits_for=after.waits_for or HoldReason.UNKNOWN,
            held_at=now,
            from_tutor_ref=before.tutor_ref,
        )
    if before.tutor_ref is None:
        return ScriptAllocated(
            work_id=after.work_id,
            assignment_id=after.assignment_id,
            presentation_id=after.presentation_id,
            person_ref=after.person_ref,
            tutor_ref=after.tutor_ref,
            group_id=after.group_id,
            reason=AllocationReason.TUTOR_GROUP,
            allocated_at=now,
        )
    return ScriptReallocated(
        work_id=after.work_id,
        assignment_id=after.assignment_id,
        presentation_id=after.presentation_id,
        person_ref=after.person_ref,
        from_tutor_ref=before.tutor_ref,
        tutor_ref=after.tutor_ref,
        group_id=after.group_id,
        reason=AllocationReason.TUTOR_GROUP,
        reallocated_at=now,
    )


def _taken(received: SubmissionReceived, *, now: datetime) -> VersionTaken:
    return VersionTaken(
        work_id=received.work_id,
        submission_id=received.submission_id,
        version=received.version,
        assignment_id=received.assignment_id,
        person_ref=received.person_ref,
        ruled_at=now,
    )


def _not_taken(received: SubmissionReceived, script: Script, *, now: datetime) -> VersionNotTaken:
    return VersionNotTaken(
        work_id=received.work_id,
        submission_id=received.submission_id,
        version=received.version,
        assignment_id=received.assignment_id,
        person_ref=received.person_ref,
        tutor_ref=script.tutor_ref,
        reason=NotTakenReason.COLLECTED,
        ruled_at=now,
    )
