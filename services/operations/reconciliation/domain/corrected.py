"""Lateness that was ruled on anew: said once, and shown to the student and to the tutor as it was said last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from services.operations.reconciliation.domain.model import (
    Code,
    Correction,
    Fact,
    Ruling,
    Settling,
    Version,
    Violation,
)

CORRECTED = ("submission_id", "work_id", "band", "cut_off_revision")
"""What LatenessCorrected says of its row."""


def check_corrections(
    corrections: Mapping[str, Correction], facts: Iterable[Fact], settling: Settling
) -> Iterator[Violation]:
    """Each correction was announced once and as it is, and none was announced that is not there.

    `corrections`, by their id, were read before the facts, so that the row of a young fact may not have been seen.
    """
    announced: set[str] = set()
    for fact in facts:
        ruling_id = fact.ruling_id or ""
        ids = {"ruling_id": ruling_id, "event_id": fact.ce_id}
        row = corrections.get(ruling_id)
        if ruling_id in announced:
            yield Violation(code=Code.FACT_DUPLICATE, ids=ids, detail="a correction was announced by two events")
        elif row is None and not settling.in_flight(fact.recorded_at):
            yield Violation(code=Code.RULING_UNKNOWN, ids=ids, detail="a correction was announced that has no row")
        elif row and any(getattr(row, name) != getattr(fact, name) for name in CORRECTED):
            yield Violation(
                code=Code.RULING_DIFFERS, ids=ids, detail="the row of a correction is not what was announced"
            )
        announced.add(ruling_id)
    for ruling_id in corrections.keys() - announced:
        if not settling.in_flight(corrections[ruling_id].corrected_at):
            ids = {"ruling_id": ruling_id, "submission_id": corrections[ruling_id].submission_id}
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail="LatenessCorrected is in no outbox and no trail")


def check_bands(
    versions: Iterable[Version], rulings: Mapping[str, Ruling], facts: Iterable[Fact], settling: Settling
) -> Iterator[Violation]:
    """Of each version, student and tutor are shown what was corrected last; the facts were read after the versions."""
    last: dict[str, Fact] = {}
    for fact in facts:
        held = last.get(fact.submission_id or "")
        if held is None or fact.sequence > held.sequence:
            last[fact.submission_id or ""] = fact
    for version in versions:
        said = last.get(version.submission_id)
        if said and settling.in_flight(said.recorded_at):
            continue
        ruling = rulings.get(version.submission_id)
        shown = {"student": version.corrected_band} | ({"tutor": ruling.corrected_band} if ruling else {})
        for who, band in shown.items():
            if band != (said.band if said else None):
                ids = {"submission_id": version.submission_id, "work_id": version.work_id}
                detail = f"the {who} is shown {band} as corrected, and last was said {said.band if said else 'nothing'}"
                yield Violation(code=Code.STATE_DIFFERS, ids=ids, detail=detail)
