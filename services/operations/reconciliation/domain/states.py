"""What services keep of one another's facts, and of their own, is what was said last; and their messaging is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from services.operations.reconciliation.domain.asked import SEEN
from services.operations.reconciliation.domain.marked import NOT_TAKEN, TAKEN
from services.operations.reconciliation.domain.model import (
    Code,
    Fact,
    Ruling,
    Script,
    Settling,
    Staged,
    State,
    Version,
    VersionQuestion,
    Violation,
)


def check_states(
    ids: Mapping[str, str], rows: Mapping[str, Mapping[str, object]], said: Mapping[str, State], settling: Settling
) -> Iterator[Violation]:
    """A service has of each thing what was said last of it, in all fields that it keeps, and of nothing else.

    The rows, by key, were read after the facts: while not all is settled, a row may be newer than what is known here.
    """
    for key, row in rows.items():
        state = said.get(key)
        newer = state is None or int(str(row["revision"])) > state.revision
        if newer and not settling.settled:
            continue
        detail = _state_problem(row, state, settling)
        if detail:
            yield Violation(code=Code.STATE_DIFFERS, ids={**ids, "key": key}, detail=detail)
    for key in said.keys() - rows.keys():
        if not settling.in_flight(said[key].recorded_at):
            yield Violation(code=Code.STATE_DIFFERS, ids={**ids, "key": key}, detail="what was announced has no row")


def _state_problem(row: Mapping[str, object], state: State | None, settling: Settling) -> str | None:
    if state is None:
        return "nothing in an outbox or the trail announced it"
    different = [name for name, value in row.items() if name in state.said and state.said[name] != value]
    if not different or settling.in_flight(state.recorded_at):
        return None
    return f"it is not as revision {state.revision} says in {', '.join(different)}"


def check_erased(
    service: str, known: Collection[str], said: Mapping[str, datetime], settling: Settling
) -> Iterator[Violation]:
    """A service has erased whom it was told to erase, and nobody else. `known` was read after the facts."""
    for person_ref in said.keys() - known:
        if not settling.in_flight(said[person_ref]):
            ids = {"service": service, "person_ref": person_ref}
            yield Violation(code=Code.STATE_DIFFERS, ids=ids, detail="the person was erased, and it does not know")
    if settling.settled:
        for person_ref in set(known) - said.keys():
            ids = {"service": service, "person_ref": person_ref}
            yield Violation(code=Code.STATE_DIFFERS, ids=ids, detail="nobody said that the person was erased")


def check_student_views(
    versions: Iterable[Version], rulings: Mapping[str, Ruling], collected: Mapping[str, Fact], settling: Settling
) -> Iterator[Violation]:
    """The student is shown what marking ruled on each version, and when the tutor collected it.

    `versions` were read before the rulings and before `collected`, the facts by the version collected.
    """
    for version in versions:
        ids = {"submission_id": version.submission_id, "work_id": version.work_id}
        ruling = rulings.get(version.submission_id)
        if version.ruling not in {None, TAKEN, NOT_TAKEN} or _ruling_differs(version, ruling, settling):
            detail = f"the student sees {version.ruling}, and the ruling is {ruling.ruling if ruling else 'none'}"
            yield Violation(code=Code.STATE_DIFFERS, ids=ids, detail=detail)
        fact = collected.get(version.submission_id)
        if _collection_differs(version, fact, settling):
            detail = f"the student sees {version.collected_at}, collected was {fact.collected_at if fact else None}"
            yield Violation(code=Code.STATE_DIFFERS, ids=ids, detail=detail)


def _ruling_differs(version: Version, ruling: Ruling | None, settling: Settling) -> bool:
    if ruling is None or (version.ruling is None and settling.in_flight(ruling.ruled_at)):
        return False
    return (version.ruling, version.ruling_reason) != (ruling.ruling, ruling.reason)


def _collection_differs(version: Version, fact: Fact | None, settling: Settling) -> bool:
    moment = fact.recorded_at if fact else version.collected_at
    if moment is None or settling.in_flight(moment):
        return False
    return version.collected_at != (fact.collected_at if fact else None)


def check_choices_seen(
    versions: Iterable[Version], questions: Mapping[str, VersionQuestion], settling: Settling
) -> Iterator[Violation]:
    """The student is shown what the tutor chose about each version. The versions were read before the questions."""
    for version in versions:
        question = questions.get(version.submission_id)
        seen = (version.decision, version.decided_at)
        chosen = (SEEN[question.state], question.closed_at) if question and question.state in SEEN else (None, None)
        young = question is not None and question.closed_at is not None and settling.in_flight(question.closed_at)
        if seen != chosen and not (young and seen == (None, None)):
            ids = {"submission_id": version.submission_id, "work_id": version.work_id}
            detail = f"the student sees the choice {seen[0]}, and the tutor's is {chosen[0]}"
            yield Violation(code=Code.STATE_DIFFERS, ids=ids, detail=detail)


def check_stages(scripts: Iterable[Script], stages: Mapping[str, Staged], settling: Settling) -> Iterator[Violation]:
    """The pages for operations show each work where its script is. The stages, by work, were read after the scripts."""
    unknown = dict(stages)
    for script in scripts:
        staged = unknown.pop(script.work_id, None)
        young = settling.in_flight(script.state_since) or (staged and settling.in_flight(staged.since))
        if not young and (
            staged is None or (staged.assignment_id, staged.stage) != (script.assignment_id, script.state)
        ):
            detail = f"the pages show {staged.stage if staged else 'nothing'}, and the script is {script.state}"
            yield Violation(code=Code.STATE_DIFFERS, ids={"work_id": script.work_id}, detail=detail)
    if settling.settled:
        for work_id in unknown:
            detail = "the pages show a work that has no script"
            yield Violation(code=Code.STATE_DIFFERS, ids={"work_id": work_id}, detail=detail)


def check_counters(
    counters: Mapping[tuple[str, str], int], counted: Mapping[tuple[str, str], int], settling: Settling
) -> Iterator[Violation]:
    """The kept counters by assignment and stage are what counting gives; only when all is settled they stand still."""
    if not settling.settled:
        return
    for assignment_id, stage in counters.keys() | counted.keys():
        kept, found = counters.get((assignment_id, stage), 0), counted.get((assignment_id, stage), 0)
        if kept != found:
            ids = {"assignment_id": assignment_id, "stage": stage}
            yield Violation(code=Code.STATE_DIFFERS, ids=ids, detail=f"the pages count {kept}, there are {found}")


def counted_stages(stages: Iterable[Staged], refused: Iterable[Fact]) -> Mapping[tuple[str, str], int]:
    """Return how many works are in each stage of each assignment, and how many attempts were refused."""
    places = Counter((staged.assignment_id, staged.stage) for staged in stages)
    return places + Counter((fact.assignment_id, "refused") for fact in refused)


UNSETTLED_FIGURES = ("unpublished", "lag", "parked", "timers_due")
"""Figures of a service's messaging that are zero when nothing is in flight."""


def check_status(service: str, figures: Mapping[str, object], settling: Settling) -> Iterator[Violation]:
    """Nothing is buried; when all is settled, nothing waits to be published, to be read or to fire."""
    ids = {"service": service}
    if figures.get("dead_letters"):
        detail = f"{figures['dead_letters']} messages are buried"
        yield Violation(code=Code.DEAD_LETTER, ids=ids, detail=detail)
    for name in UNSETTLED_FIGURES:
        if settling.settled and figures.get(name):
            yield Violation(code=Code.NOT_SETTLED, ids=ids, detail=f"{name.replace('_', ' ')}: {figures[name]}")
