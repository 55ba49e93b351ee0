"""All facts together, each once: what the outboxes of all services and the trail hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.operations.reconciliation import streams
from services.operations.reconciliation.domain.announced import Key, check_unwritten, check_written
from services.operations.reconciliation.domain.model import Event, Fact, Settling, State, Told, Violation


@dataclass
class Ledger:
    """Outboxes are added first, then the trail; of each fact only what the checks need is kept.

    `unwritten` is what outboxes have and the trail was not seen to have, `counters` how many facts each producer
    counted, `numbers` those that were found, `erased` when it was said first that a person was erased.
    """

    counters: dict[Key, int] = field(default_factory=dict)
    numbers: defaultdict[Key, list[int]] = field(default_factory=lambda: defaultdict(list))
    unwritten: dict[str, Event] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    erased: dict[str, datetime] = field(default_factory=dict)
    states: dict[str, dict[str, State]] = field(default_factory=lambda: {kind: {} for kind in streams.STATE_KEYS})

    def named(self, names: Collection[str]) -> Iterator[Fact]:
        """Return the facts about work of these names."""
        return (fact for fact in self.facts.values() if fact.name in names)

    def standing(self, kind: str) -> Mapping[str, State]:
        """Return what was said last of each thing of a kind; of a person who was erased, nothing."""
        said = self.states[kind]
        return {key: said[key] for key in said.keys() - self.erased.keys()} if kind == streams.PERSONS else said

    def add_counter(self, producer: str, row: Mapping[str, Any]) -> None:
        """Take how many facts a producer counted of a key."""
        self.counters[producer, str(row["key"])] = int(row["sequence"])

    def add_published(self, row: Mapping[str, Any]) -> Event:
        """Take a row of an outbox."""
        event = streams.published(row)
        self.unwritten[event.ce_id] = event
        self.numbers[event.producer, event.key].append(event.sequence)
        self._keep(event, row)
        return event

    def add_written(self, row: Mapping[str, Any], settling: Settling) -> Iterator[Violation]:
        """Take a row of the trail; what it says otherwise than the outbox is wrong."""
        event = streams.written(row)
        published = self.unwritten.pop(event.ce_id, None)
        if published is None:
            self.numbers[event.producer, event.key].append(event.sequence)
        if published is None or event.ce_id not in self.facts:
            self._keep(event, row)
        if published is not None or not self._is_of_erased(event):
            yield from check_written(event, published, settling)

    def _is_of_erased(self, event: Event) -> bool:
        """Whether it told who a person was who is erased: identity deletes it from its outbox before the time."""
        return event.key in self.erased and streams.STATE_FACTS.get(event.name) == streams.PERSONS

    def check_unwritten(self, settling: Settling) -> Iterator[Violation]:
        """What is in no trail now is in flight."""
        yield from check_unwritten(self.unwritten.values(), settling)

    def _keep(self, event: Event, row: Mapping[str, Any]) -> None:
        if event.name in streams.WORK_FACTS:
            fact = streams.fact_of(event, streams.value_of(row))
            if fact:
                self.facts[event.ce_id] = fact
        elif event.name in streams.TOLD_FACTS:
            self._keep_told(event, streams.told_of(event, streams.value_of(row)))
        elif event.name == streams.ERASED:
            self.erased[event.key] = min(event.recorded_at, self.erased.get(event.key, event.recorded_at))
        elif event.name in streams.STATE_FACTS:
            self._keep_state(event, streams.state_of(event, streams.value_of(row)))

    def _keep_told(self, event: Event, told: Told | None) -> None:
        held = self.told.get(event.key)
        if told and (held is None or told.sequence > held.sequence):
            self.told[event.key] = told

    def _keep_state(self, event: Event, state: State | None) -> None:
        kept = self.states[streams.STATE_FACTS[event.name]]
        held = kept.get(event.key)
        if state and (held is None or state.revision > held.revision):
            kept[event.key] = state
