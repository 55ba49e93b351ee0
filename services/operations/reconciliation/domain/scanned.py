"""The search for malware: each result said as it is, known to marking, and nothing waiting for an unknown reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from services.operations.reconciliation.domain.model import (
    Code,
    Fact,
    Ruling,
    Scan,
    Settling,
    Version,
    Violation,
)

WAITS = "scanning"
"""The named hold of a version that the scanner has not looked through: it is away, or behind."""

RESULTS = frozenset({"clean", "blocked", "unscannable"})


def last_results(facts: Iterable[Fact]) -> dict[str, Fact]:
    """Return the last that was said of each version."""
    last: dict[str, Fact] = {}
    for fact in facts:
        held = last.get(fact.submission_id or "")
        if held is None or fact.sequence > held.sequence:
            last[fact.submission_id or ""] = fact
    return last


def check_scans(
    scans: Mapping[str, Scan], said: Mapping[str, Fact], known: Mapping[str, Version], settling: Settling
) -> Iterator[Violation]:
    """Each scan is of a version, in a known state, and what was said last of it. Scans were read before the facts."""
    for scan in scans.values():
        ids = {"submission_id": scan.submission_id, "work_id": scan.work_id}
        version, fact = known.get(scan.submission_id), said.get(scan.submission_id)
        if version is None or (version.work_id, version.version) != (scan.work_id, scan.version):
            yield Violation(code=Code.SCAN_UNKNOWN, ids=ids, detail="a scan of no version, or of another's number")
        if scan.state not in RESULTS and (scan.state != WAITS or scan.wanted_at is None):
            detail = f"its state is {scan.state}, and it is to be scanned {scan.wanted_at or 'never'}"
            yield Violation(code=Code.HOLD_UNKNOWN, ids=ids, detail=detail)
        yield from _check_said(scan, fact, settling)
    for submission_id in said.keys() - scans.keys():
        if not settling.in_flight(said[submission_id].recorded_at):
            ids = {"submission_id": submission_id, "event_id": said[submission_id].ce_id}
            yield Violation(code=Code.SCAN_UNKNOWN, ids=ids, detail="a result was said of what is not scanned")


def _check_said(scan: Scan, fact: Fact | None, settling: Settling) -> Iterator[Violation]:
    moment = fact.recorded_at if fact else scan.state_since
    said = fact.outcome if fact else WAITS
    if scan.state == said or settling.in_flight(moment):
        return
    ids = {"submission_id": scan.submission_id, "work_id": scan.work_id}
    code = Code.SCAN_DIFFERS if fact else Code.FACT_MISSING
    yield Violation(code=code, ids=ids, detail=f"it is {scan.state}, and the last that was said is {said}")


def check_outcomes_known(
    rulings: Iterable[Ruling], said: Mapping[str, Fact], settling: Settling
) -> Iterator[Violation]:
    """Marking goes by what was said last of each version. The rulings were read after the facts."""
    for ruling in rulings:
        fact = said.get(ruling.submission_id)
        if fact and settling.in_flight(fact.recorded_at):
            continue
        outcome = fact.outcome if fact else None
        if ruling.scan_outcome != outcome and not (fact is None and settling.in_flight(ruling.ruled_at)):
            ids = {"submission_id": ruling.submission_id, "work_id": ruling.work_id}
            detail = f"marking goes by {ruling.scan_outcome}, and the last that was said is {outcome}"
            yield Violation(code=Code.SCAN_DIFFERS, ids=ids, detail=detail)
