"""What marking did: one ruling a version, and each script where marking's own facts say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.operations.reconciliation.domain.arrivals import differing
from services.operations.reconciliation.domain.model import (
    Code,
    Fact,
    Ruling,
    Script,
    Settling,
    Version,
    VersionQuestion,
    Violation,
)

RULED = ("object_key", "object_version", "media_type", "size_bytes", "sha256", "band", "arrived_at")
"""What a ruling repeats of its version: the tutor must never get a stranger's file."""

TAKEN, NOT_TAKEN = "taken", "not_taken"
RULINGS = {"VersionTaken": TAKEN, "VersionNotTaken": NOT_TAKEN}


def check_rulings(
    versions: Mapping[str, Version], rulings: Iterable[Ruling], known: Mapping[str, Version], settling: Settling
) -> Iterator[Violation]:
    """Marking ruled exactly once on each version, and on nothing else."""
    ruled: Counter[str] = Counter()
    for ruling in rulings:
        ruled[ruling.submission_id] += 1
        ids = {"submission_id": ruling.submission_id, "work_id": ruling.work_id}
        version = known.get(ruling.submission_id)
        if version is None:
            yield Violation(code=Code.RULING_UNKNOWN, ids=ids, detail="a ruling on a version that does not exist")
        elif (version.work_id, version.version) != (ruling.work_id, ruling.version):
            yield Violation(code=Code.RULING_UNKNOWN, ids=ids, detail="the ruling is on another work or number")
        elif different := differing(ruling, version, RULED):
            detail = f"the ruling has another {different} than the version"
            yield Violation(code=Code.RULING_DIFFERS, ids=ids, detail=detail)
        if ruled[ruling.submission_id] == 2:  # noqa: PLR2004 - the second is the first too many
            yield Violation(code=Code.RULING_DUPLICATE, ids=ids, detail="more than one ruling on a version")
    for submission_id, version in versions.items():
        if submission_id not in ruled and not settling.in_flight(version.arrived_at):
            ids = {"submission_id": submission_id, "work_id": version.work_id}
            yield Violation(code=Code.RULING_MISSING, ids=ids, detail="marking has not ruled on this version")


def check_ruling_facts(rulings: Iterable[Ruling], facts: Iterable[Fact], settling: Settling) -> Iterator[Violation]:
    """Each ruling was announced once and as it is. The rulings were read after the facts."""
    said: dict[str, Fact] = {}
    for fact in facts:
        ids = {"submission_id": fact.submission_id or "", "event_id": fact.ce_id}
        if ids["submission_id"] in said:
            yield Violation(code=Code.FACT_DUPLICATE, ids=ids, detail="a ruling was announced by two events")
        said[ids["submission_id"]] = fact
    for ruling in rulings:
        ids = {"submission_id": ruling.submission_id, "work_id": ruling.work_id}
        announced = said.get(ruling.submission_id)
        if announced is None and not settling.in_flight(ruling.ruled_at):
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail="this ruling is in no outbox and no trail")
        elif announced and not _announces(announced, ruling):
            detail = f"it says {ruling.ruling} {ruling.reason or ''}, and {announced.name} was announced"
            yield Violation(code=Code.RULING_DIFFERS, ids=ids, detail=detail)


def _announces(fact: Fact, ruling: Ruling) -> bool:
    return (RULINGS[fact.name], fact.reason, fact.work_id, fact.version) == (
        ruling.ruling,
        ruling.reason,
        ruling.work_id,
        ruling.version,
    )


HOLD_REASONS = frozenset({"group", "tutor"})
WITH_A_TUTOR = frozenset({"allocated", "collected"})


def check_scripts(
    versions: Mapping[str, Version], scripts: Iterable[Script], known: Mapping[str, Version], settling: Settling
) -> Iterator[Violation]:
    """Each work is with a tutor or is held for a known reason, and the version taken is one of its own."""
    with_script = set()
    for script in scripts:
        with_script.add(script.work_id)
        taken = known.get(script.taken_submission_id or "")
        ids = {"work_id": script.work_id, "taken_submission_id": str(script.taken_submission_id)}
        if taken is None or taken.work_id != script.work_id:
            yield Violation(code=Code.SCRIPT_DIFFERS, ids=ids, detail="the version taken is none of this work's")
        elif different := differing(script, taken, ("assignment_id", "presentation_id", "person_ref")):
            detail = f"the script has another {different} than its version"
            yield Violation(code=Code.SCRIPT_DIFFERS, ids=ids, detail=detail)
        yield from _check_place(script)
    late = {version.work_id: version for version in versions.values() if not settling.in_flight(version.arrived_at)}
    for work_id in late.keys() - with_script:
        yield Violation(code=Code.SCRIPT_MISSING, ids={"work_id": work_id}, detail="work without a script")


def _check_place(script: Script) -> Iterator[Violation]:
    placed = script.state in WITH_A_TUTOR and script.tutor_ref
    held = script.state == "held" and script.waits_for in HOLD_REASONS
    if not placed and not held:
        detail = f"state {script.state}, tutor {script.tutor_ref}, waits for {script.waits_for}"
        yield Violation(code=Code.HOLD_UNKNOWN, ids={"work_id": script.work_id}, detail=detail)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Taken:
    """A version that was to be marked from some moment on, by its ruling or by the tutor's choice."""

    submission_id: str
    version: int
    since: datetime


def check_taken(
    scripts: Iterable[Script], rulings: Iterable[Ruling], questions: Iterable[VersionQuestion], settling: Settling
) -> Iterator[Violation]:
    """One version is to be marked: the last one taken, by a ruling or by the tutor's choice.

    Rulings and questions were read after the scripts: one that is in flight may be newer than the script that was
    read; one that is not there is missed elsewhere.
    """
    ruled: set[str | None] = set()
    taken: defaultdict[str, list[_Taken]] = defaultdict(list)
    for ruling in rulings:
        ruled.add(ruling.submission_id)
        if ruling.ruling == TAKEN:
            by_ruling = _Taken(submission_id=ruling.submission_id, version=ruling.version, since=ruling.ruled_at)
            taken[ruling.work_id].append(by_ruling)
    for question in questions:
        if question.state == TAKEN and question.closed_at:
            by_tutor = _Taken(submission_id=question.submission_id, version=question.version, since=question.closed_at)
            taken[question.work_id].append(by_tutor)
    for script in scripts:
        of_work = taken[script.work_id]
        least = max((each.version for each in of_work if not settling.in_flight(each.since)), default=0)
        allowed = {(each.submission_id, each.version) for each in of_work if each.version >= least}
        taken_now = (script.taken_submission_id, script.taken_version)
        if script.taken_submission_id in ruled and taken_now not in allowed:
            ids = {"work_id": script.work_id, "taken_submission_id": str(script.taken_submission_id)}
            detail = f"it has version {script.taken_version}, and the last one taken is {least or 'none'}"
            yield Violation(code=Code.SCRIPT_DIFFERS, ids=ids, detail=detail)


COLLECTED = "ScriptCollected"
PLACES: Mapping[str, str] = {
    "ScriptHeld": "held",
    "ScriptAllocated": "allocated",
    "ScriptReallocated": "allocated",
    COLLECTED: "collected",
    "LaterVersionTaken": "allocated",
}
"""The facts that say where a script is, and the state that they say."""


def last_places(facts: Iterable[Fact]) -> dict[str, Fact]:
    """Return the last fact that said where each work is."""
    last: dict[str, Fact] = {}
    for fact in facts:
        held = last.get(fact.work_id)
        if held is None or fact.sequence > held.sequence:
            last[fact.work_id] = fact
    return last


def check_places(
    scripts: Sequence[Script], said: Mapping[str, Fact], collected: Mapping[str, Fact], settling: Settling
) -> Iterator[Violation]:
    """Each script is where marking said last that it is, and was collected last when marking said so last.

    What changed just now may have been said since.
    """
    for script in scripts:
        fact = said.get(script.work_id)
        ids = {"work_id": script.work_id}
        if settling.in_flight(script.state_since):
            continue
        if fact is None:
            detail = f"nothing in an outbox or the trail says that it is {script.state}"
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail=detail)
        elif _place_of(script) != _place_said(fact, collected.get(script.work_id)):
            detail = f"it is {script.state}, tutor {script.tutor_ref}, and the last that was said is {fact.name}"
            yield Violation(code=Code.SCRIPT_DIFFERS, ids={**ids, "event_id": fact.ce_id}, detail=detail)
    for work_id in said.keys() - {script.work_id for script in scripts}:
        if not settling.in_flight(said[work_id].recorded_at):
            ids = {"work_id": work_id, "event_id": said[work_id].ce_id}
            yield Violation(code=Code.SCRIPT_MISSING, ids=ids, detail=f"{said[work_id].name} without a script")


def _place_of(script: Script) -> tuple[object, ...]:
    collected = (script.taken_submission_id, script.taken_version) if script.state == "collected" else (None, None)
    return (script.state, script.tutor_ref, script.waits_for, script.collected_at, *collected)


def _place_said(fact: Fact, collected: Fact | None) -> tuple[object, ...]:
    waits_for = fact.waits_for if fact.name == "ScriptHeld" else None
    collected_at = collected.collected_at if collected else None
    of_collection = (fact.submission_id, fact.version) if fact.name == COLLECTED else (None, None)
    return (PLACES[fact.name], fact.tutor_ref, waits_for, collected_at, *of_collection)
