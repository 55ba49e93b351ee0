"""Figures of runs that take turns: medians with their spread, and tables of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

PAIRS = 5


@dataclass(frozen=True)
class Spread:
    """The median of some runs, and the least and the greatest of them."""

    middle: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{_short(self.middle)} ({_short(self.least)}-{_short(self.greatest)})"


def interleaved(candidates: Mapping[str, Callable[[], float]], *, pairs: int) -> dict[str, list[float]]:
    """The figures of all, run in turn, so that what the machine does meanwhile befalls all of them."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(pairs):
        for name, run in candidates.items():
            found[name].append(run())
    return found


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours by theirs, each pair within its turn."""
    return Spread.of([mine / other for mine, other in zip(ours, theirs, strict=True)])


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown under its title."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join([f"### {title}", "", *("| " + " | ".join(map(str, line)) + " |" for line in lines), ""])


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
