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

    `lost` are receipts without their version, its ruling, the script, or their student told, and attempts without an
    answer; `duplicated` are receipts with more than one of these, and versions for which no client holds a receipt.
    `undecided` are questions about later versions that no tutor has answered.
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
    undecided: int
    seconds: float
    per_second: float
    accept_ms_p50: float
    accept_ms_p99: float

    @property
    def clean(self) -> bool:
        """Whether all is well. The plan hands in nothing that may be refused."""
        return not (self.lost or self.duplicated or self.undecided or self.dead_letters or self.refused)


def figures_of(
    inspections: Mapping[str, Inspection],
    held: Sequence[Held],
    *,
    works: int,
    handings_in: int,
    seconds: float,
    accept_ms: Sequence[float],
) -> Figures:
    """Read every service once; `held` are the client's receipts, `accept_ms` what each acceptance took.

    `works` and `handings_in` are what the plan says: all of them were tried.
    """
    receipts = Counter(str(row["receipt"]) for row in _rows(inspections["submission"], "versions"))
    rulings = Counter(str(row["submission_id"]) for row in _rows(inspections["marking"], "rulings"))
    states = [(str(row["work_id"]), str(row["state"])) for row in _rows(inspections["marking"], "scripts")]
    works_with_script, scripts = Counter(work_id for work_id, _ in states), Counter(state for _, state in states)
    obligations = list(_rows(inspections["notifier"], "obligations"))
    deliveries = {str(row["delivery_id"]): row["state"] for row in _rows(inspections["notifier"], "deliveries")}
    told = _told(obligations, deliveries)
    effects = [
        (
            receipts[each.receipt],
            rulings[each.submission_id],
            works_with_script[each.work_id],
            told[each.submission_id],
        )
        for each in held
    ]
    late = sum(each.ruling == Band.LATE for each in held if each.version == 1)
    refused = sum(1 for _ in _rows(inspections["submission"], "refusals"))
    unanswered = handings_in - len(held) - refused
    statuses: list[Any] = [inspection.status() for inspection in inspections.values()]
    return Figures(
        submitted=works,
        accepted=len(held),
        refused=refused,
        late=late,
        late_share=round(late / works, 4) if works else 0.0,
        versions=receipts.total(),
        scripts=scripts.total(),
        allocated=scripts["allocated"] + scripts["collected"],
        held=scripts["held"],
        obligations=len(obligations),
        deliveries=len(deliveries),
        dead_letters=sum(status["dead_letters"] + status["parked"] for status in statuses),
        lost=sum(min(counts) < 1 for counts in effects) + max(unanswered, 0),
        duplicated=sum(max(counts) > 1 for counts in effects) + len(receipts.keys() - {each.receipt for each in held}),
        undecided=sum(row["state"] == "open" for row in _rows(inspections["marking"], "questions")),
        seconds=round(seconds, 1),
        per_second=round(len(held) / seconds, 1) if seconds else 0.0,
        accept_ms_p50=_percentile(accept_ms, 50),
        accept_ms_p99=_percentile(accept_ms, 99),
    )


def _told(obligations: Sequence[Mapping[str, object]], deliveries: Mapping[str, object]) -> Counter[str]:
    """How often the student was told of each receipt: a message left, or lies in the inbox instead."""
    return Counter(
        str(row["submission_id"])
        for row in obligations
        if row["purpose"] == "receipt" and deliveries.get(str(row["delivery_id"])) in {"sent", "suppressed"}
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
