"""What a fault did in the end to the works that students handed in: one row of the table of `make faults`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.operations.reconciliation.domain import Report
from shared.messaging.bus import Bus
from shared.messaging.message import Message
from tests.support.students import Students

DRAINED_SECONDS = 60
READ = 500


class Line(Protocol):
    """The system as a whole, wherever its parts run."""

    @property
    def bus(self) -> Bus: ...

    def settle(self) -> float:
        """Wait until nothing is in flight; the seconds it took."""
        ...

    def audit(self, receipts: Path | None = None) -> Report: ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`unknown` is of attempts (see `Students`), `repeated` and `order_breaks` of facts on the bus.

    A lost work or effect is one that a receipt, or what followed from it, promises; a duplicated one was done twice.
    """

    fault: str
    hits: int
    sent: int
    unknown: int
    lost: int
    duplicated: int
    repeated: int
    order_breaks: int
    drained_seconds: float
    violations: Sequence[str]

    def assert_harmless(self) -> None:
        """What the clients hold is there and had its effects once, in order and in time."""
        assert (self.lost, self.duplicated, self.order_breaks) == (0, 0, 0), self
        assert self.violations == []
        assert self.drained_seconds <= DRAINED_SECONDS


def outcome(fault: str, *, hits: int, students: Students, line: Line) -> Outcome:
    """Wait until the line is still, then hold what is there against what the students have in their hands."""
    drained_seconds = line.settle()
    report = line.audit(students.journal)
    messages = log_of(line.bus)
    codes = [violation.code for violation in report.violations]
    assert report.counts["receipts"] == students.sent
    return Outcome(
        fault=fault,
        hits=hits,
        sent=students.sent,
        unknown=students.unknown,
        lost=sum(code.endswith("_missing") for code in codes),
        duplicated=sum(code.endswith("_duplicate") for code in codes) + report.counts["versions"] - students.sent,
        repeated=len(messages) - len({message.id for message in messages}),
        order_breaks=order_breaks(messages),
        drained_seconds=round(drained_seconds, 1),
        violations=[f"{violation.code}: {violation.detail}" for violation in report.violations],
    )


def log_of(bus: Bus) -> list[Message]:
    """Everything on the bus; of each partition in order."""
    return [message for topic, partition in bus.end_offsets() for message in _partition_of(bus, topic, partition)]


def _partition_of(bus: Bus, topic: str, partition: int) -> Iterable[Message]:
    offset = bus.first_offset(topic, partition)
    while records := bus.read(topic, partition, offset=offset, limit=READ):
        yield from (record.message() for record in records)
        offset = records[-1].offset + 1


def order_breaks(messages: Iterable[Message]) -> int:
    """How many facts follow a later one of their source and key; a fact that comes again does not count."""
    breaks = 0
    last: dict[tuple[str, str, str], int] = {}
    for message in {message.id: message for message in messages}.values():
        key = (message.topic, message.source, message.key)
        breaks += message.sequence < last.get(key, 0)
        last[key] = message.sequence
    return breaks
