"""The states of a version between its receipt and its tutor, and what each result changes. Values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.contracts import ScanOutcome, SubmissionScanned

LEASE = timedelta(minutes=10)
"""How long a process may be at one file before another takes it over; longer than a scan can take."""

LONGEST_WAIT = timedelta(hours=1)
FAILURES_BEFORE_ALARM = 3

_MOST_OF_A_NAME = 200


class ScanState(StrEnum):
    """`scanning` until the first result; a later scan leaves the state as it is until it has another result."""

    SCANNING = "scanning"
    CLEAN = "clean"
    BLOCKED = "blocked"
    UNSCANNABLE = "unscannable"

    @property
    def words(self) -> str:
        """What its student reads."""
        return _WORDS[self]


_WORDS = {
    ScanState.SCANNING: "It is being checked for malware; you need do nothing.",
    ScanState.CLEAN: "It was checked for malware, and nothing was found.",
    ScanState.BLOCKED: (
        "Malware was found in this file, so your tutor cannot collect it. Your receipt still proves that it arrived. "
        "Please hand in a clean file, or contact your student support team."
    ),
    ScanState.UNSCANNABLE: (
        "It could not be checked for malware, so your tutor cannot collect it yet. Staff have been told; an encrypted "
        "file is best handed in again without a password."
    ),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a scanner said of a file; `finding` is its name for that, for operations staff alone."""

    outcome: ScanOutcome
    finding: str = ""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A version on its way through the scanner.

    It is to be scanned when `wanted_at` has come; who is at it is the `holder`, and `wanted_at` is then the end of the
    lease. `failures` counts what went wrong since the last result.
    """

    submission_id: str
    work_id: str
    version: int
    assignment_id: str
    presentation_id: str
    person_ref: str
    object_key: str
    object_version: str
    state: ScanState
    state_since: datetime
    signatures: str | None
    finding: str
    wanted_at: datetime | None
    failures: int
    holder: str | None


def conclude(scan: Scan, verdict: Verdict, signatures: str, *, now: datetime) -> tuple[Scan, SubmissionScanned | None]:
    """The scan with its result; and the fact, when that is another result than before."""
    state = ScanState(verdict.outcome)
    changed = state is not scan.state
    concluded = replace(
        scan,
        state=state,
        state_since=now if changed else scan.state_since,
        signatures=signatures,
        finding=verdict.finding[:_MOST_OF_A_NAME],
        wanted_at=None,
        failures=0,
        holder=None,
    )
    return concluded, _scanned(scan, verdict, signatures, now=now) if changed else None


def put_off(scan: Scan, *, now: datetime) -> Scan:
    """To be tried again: doubling from two seconds, an hour at most, without end."""
    wait = min(timedelta(seconds=2 ** min(scan.failures + 1, 12)), LONGEST_WAIT)
    return replace(scan, wanted_at=now + wait, failures=scan.failures + 1, holder=None)


def let_go(scan: Scan, *, now: datetime) -> Scan:
    """To be scanned as before: nothing is known of the file that was not."""
    return replace(scan, wanted_at=now, holder=None)


def _scanned(scan: Scan, verdict: Verdict, signatures: str, *, now: datetime) -> SubmissionScanned:
    return SubmissionScanned(
        work_id=scan.work_id,
        submission_id=scan.submission_id,
        version=scan.version,
        assignment_id=scan.assignment_id,
        presentation_id=scan.presentation_id,
        person_ref=scan.person_ref,
        outcome=verdict.outcome,
        outcome_before=None if scan.state is ScanState.SCANNING else ScanOutcome(scan.state),
        signatures=signatures,
        scanned_at=now,
    )
