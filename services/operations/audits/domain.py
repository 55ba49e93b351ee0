"""What a run of the audit goes through, and what is kept of its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.operations.reconciliation.domain.model import Code, Report, Violation

LEASE = timedelta(minutes=2)
"""How long a run whose process says nothing counts as under way."""
SLOW = timedelta(minutes=1)
"""How long a run may wait until it is said that nobody may be there to take it up."""
KEPT_RUNS = 20
MOST_FINDINGS = 500
LONGEST_WORDS = 500
"""Of a detail, an id or a problem, how many characters are kept."""


class RunState(StrEnum):
    """Where a run is; the first two are under way, and only one run is in either."""

    ASKED = "asked"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CUT_OFF = "cut_off"


class Part(StrEnum):
    """What a process may not be able to look at."""

    FILES = "files"
    SIGNATURES = "signatures"
    MAIL = "mail"

    @property
    def words(self) -> str:
        """What was not looked at, for people."""
        return _PARTS[self]


_PARTS = {
    Part.FILES: "the files in the object store: whether each is there and unchanged",
    Part.SIGNATURES: "the signatures of receipts, and whether each receipt says what its version says",
    Part.MAIL: "the mails themselves: none are kept here",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A violation as it is kept: its code is a word of `Code`."""

    code: str
    ids: Mapping[str, str]
    detail: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended. `kinds` counts all that was found by code, `findings` are the first of each.

    `facts` is None and `problem` has words when it failed; `left_out` is what was not looked at.
    """

    state: RunState
    facts: int | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    left_out: Sequence[Part] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run; `holder` and `lease_until` are of the process that is at it."""

    number: int
    asked_at: datetime
    asked_by: str
    outcome: Outcome
    holder: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def state(self) -> RunState:
        """Where it is."""
        return self.outcome.state

    @property
    def is_open(self) -> bool:
        """Whether it is asked for or runs."""
        return self.state in {RunState.ASKED, RunState.RUNNING}

    @property
    def total(self) -> int:
        """How much was found, kept or not."""
        return sum(self.outcome.kinds.values())

    @property
    def lasted(self) -> timedelta | None:
        """From its start to its end; None unless it came to one."""
        return self.ended_at - self.started_at if self.started_at and self.ended_at else None


def as_it_is(run: Run, *, now: datetime) -> Run:
    """A run whose process has said nothing for as long as a lease was cut off, whatever its row says yet."""
    if run.lease_until is None or run.lease_until > now:
        return run
    return replace(run, outcome=replace(run.outcome, state=RunState.CUT_OFF), holder=None, lease_until=None)


def waits_long(run: Run, *, now: datetime) -> bool:
    """Whether a run is asked for and nobody has taken it up for a minute."""
    return run.state is RunState.ASKED and now - run.asked_at >= SLOW


def concluded(report: Report, left_out: Sequence[Part]) -> Outcome:
    """What is kept of a report."""
    return Outcome(
        state=RunState.FINISHED,
        facts=report.counts["facts"],
        kinds=dict(sorted(Counter(violation.code.value for violation in report.violations).items())),
        findings=kept_of(report.violations),
        left_out=left_out,
    )


def failed(words: str) -> Outcome:
    """A run that could not read everything says nothing, and why."""
    return Outcome(state=RunState.FAILED, problem=words[:LONGEST_WORDS])


def kept_of(violations: Collection[Violation], *, most: int = MOST_FINDINGS) -> Sequence[Finding]:
    """The first `most`, by kind; the first of every kind come before the second of any, so that none hides another."""
    seen: Counter[Code] = Counter()
    ranked = []
    for violation in violations:
        ranked.append((seen[violation.code], violation))
        seen[violation.code] += 1
    kept = sorted(ranked, key=lambda each: each[0])[:most]
    return sorted((_kept(violation) for _, violation in kept), key=lambda finding: finding.code)


def _kept(violation: Violation) -> Finding:
    ids = {name: value[:LONGEST_WORDS] for name, value in violation.ids.items()}
    return Finding(code=violation.code.value, ids=ids, detail=violation.detail[:LONGEST_WORDS])


def by_kind(findings: Iterable[Finding]) -> Mapping[str, Sequence[Finding]]:
    """The findings of each code, in the order of their codes."""
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.code, []).append(finding)
    return dict(sorted(grouped.items()))


def reference_of(finding: Finding) -> str:
    """What the trail can be asked for, "" for nothing."""
    names = ("submission_id", "work_id", "receipt_id", "event_id")
    return next((finding.ids[name] for name in names if finding.ids.get(name)), "")


def words_for(lasted: timedelta) -> str:
    """A length of time for people, such as `2 min 5 s`."""
    seconds = max(0, round(lasted.total_seconds()))
    if seconds < 1:
        return "less than a second"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
