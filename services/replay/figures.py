"""What a replay comes to: counted in the system, and held against the receipts in the client's hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from services.replay.journal import Held
from shared.contracts import Band
from shared.inspection import Inspection


@dataclass(frozen=True, kw_only=True)
class Figures:
    """`submitted`, `late` and `late_share` count first versions; late is beyond grace.

    `lost` are receipts without their version, their ruling, or their student told; `duplicated` are receipts with more
    than one of these, and versions for which no client holds a receipt.
    """

    submitted: int
    accepted: int
    refused: int
    late: int
    late_share: float
    versions: int
    scripts: int
    allocated: int
    held: int
    obligations: int
    deliveries: int
    dead_letters: int
    lost: int
    duplicated: int
    seconds: float
    per_second: float
    accept_ms_p50: float
    accept_ms_p99: float

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.dead_letters)


def figures_of(
    inspections: Mapping[str, Inspection], held: Sequence[Held], *, seconds: float, accept_ms: Sequence[float]
) -> Figures:
    """Read every service once; `held` are the client's receipts, `accept_ms` what each acceptance took."""
    receipts = Counter(str(row["receipt"]) for row in _rows(inspections["submission"], "versions"))
    rulings = Counter(str(row["submission_id"]) for row in _rows(inspections["marking"], "rulings"))
    scripts = Counter(str(row["state"]) for row in _rows(inspections["marking"], "scripts"))
    obligations = [(str(r["purpose"]), str(r["submission_id"])) for r in _rows(inspections["notifier"], "obligations")]
    told = Counter(submission_id for purpose, submission_id in obligations if purpose == "receipt")
    effects = [(receipts[each.receipt], rulings[each.submission_id], told[each.submission_id]) for each in held]
    first = [each for each in held if each.version == 1]
    late = sum(each.ruling == Band.LATE for each in first)
    statuses: list[Any] = [inspection.status() for inspection in inspections.values()]
    return Figures(
        submitted=len(first),
        accepted=len(held),
        refused=sum(1 for _ in _rows(inspections["submission"], "refusals")),
        late=late,
        late_share=round(late / len(first), 4) if first else 0.0,
        versions=receipts.total(),
        scripts=scripts.total(),
        allocated=scripts["allocated"] + scripts["collected"],
        held=scripts["held"],
        obligations=len(obligations),
        deliveries=sum(1 for _ in _rows(inspections["notifier"], "deliveries")),
        dead_letters=sum(status["dead_letters"] + status["parked"] for status in statuses),
        lost=sum(min(counts) < 1 for counts in effects),
        duplicated=sum(max(counts) > 1 for counts in effects) + len(receipts.keys() - {each.receipt for each in held}),
        seconds=round(seconds, 1),
        per_second=round(len(held) / seconds, 1) if seconds else 0.0,
        accept_ms_p50=_percentile(accept_ms, 50),
        accept_ms_p99=_percentile(accept_ms, 99),
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:  # noqa: PLR2004 - quantiles need two
        return round(values[0], 1) if values else 0.0
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 1)


def _rows(inspection: Inspection, kind: str) -> Iterator[Mapping[str, object]]:
    after = ""
    while page := inspection.facts(kind, after=after):
        yield from page
        after = str(page[-1]["position"])
