"""Moves works through the stages as the facts come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from services.operations.pipeline.domain import RECEIVED_SEQUENCE, Stage, Standing, settle
from services.operations.pipeline.store import PipelineStore
from shared.contracts import (
    LaterVersionTaken,
    ScriptAllocated,
    ScriptCollected,
    ScriptHeld,
    ScriptReallocated,
    SubmissionReceived,
    SubmissionRefused,
)
from shared.database import Transaction
from shared.messaging.consumer import HandlerTable


class Pipeline:
    """Keep for every work its stage, and for every assignment how many works are in each."""

    def __init__(self, store: PipelineStore) -> None:
        self.store = store

    def table(self) -> HandlerTable:
        return {
            SubmissionReceived: self.receive,
            SubmissionRefused: self.refuse,
            ScriptHeld: self.hold,
            ScriptAllocated: self.allocate,
            ScriptReallocated: self.reallocate,
            ScriptCollected: self.collect,
            LaterVersionTaken: self.take_later,
        }

    def receive(self, facts: Sequence[SubmissionReceived], tx: Transaction) -> None:
        """A work is received by its first version; later ones change nothing."""
        self._settle((_standing(fact, Stage.RECEIVED, fact.arrived_at, RECEIVED_SEQUENCE) for fact in facts), tx)

    def refuse(self, facts: Sequence[SubmissionRefused], tx: Transaction) -> None:
        """Refusals are counted."""
        tx.lock("pipeline")
        self.store.change_counts(Counter((fact.assignment_id, Stage.REFUSED) for fact in facts), tx)

    def hold(self, facts: Sequence[ScriptHeld], tx: Transaction) -> None:
        """The script waits for something."""
        self._settle((_standing(fact, Stage.HELD, fact.held_at, tx.message_of(fact).sequence) for fact in facts), tx)

    def allocate(self, facts: Sequence[ScriptAllocated], tx: Transaction) -> None:
        """A tutor has the script."""
        self._settle(
            (_standing(fact, Stage.ALLOCATED, fact.allocated_at, tx.message_of(fact).sequence) for fact in facts), tx
        )

    def reallocate(self, facts: Sequence[ScriptReallocated], tx: Transaction) -> None:
        """Another tutor has the script."""
        self._settle(
            (_standing(fact, Stage.ALLOCATED, fact.reallocated_at, tx.message_of(fact).sequence) for fact in facts), tx
        )

    def collect(self, facts: Sequence[ScriptCollected], tx: Transaction) -> None:
        """The tutor downloaded the script."""
        self._settle(
            (_standing(fact, Stage.COLLECTED, fact.collected_at, tx.message_of(fact).sequence) for fact in facts), tx
        )

    def take_later(self, facts: Sequence[LaterVersionTaken], tx: Transaction) -> None:
        """The tutor takes a later version than the one collected: the script is to be collected again."""
        self._settle(
            (_standing(fact, Stage.ALLOCATED, fact.decided_at, tx.message_of(fact).sequence) for fact in facts), tx
        )

    def _settle(self, news: Iterable[Standing], tx: Transaction) -> None:
        tx.lock("pipeline")
        fresh = list(news)
        before = self.store.standings([standing.work_id for standing in fresh], tx)
        after, changes = settle(before, fresh)
        self.store.save_all(after.values(), tx)
        self.store.change_counts(changes, tx)


def _standing(
    fact: SubmissionReceived | ScriptHeld | ScriptAllocated | ScriptReallocated | ScriptCollected | LaterVersionTaken,
    stage: Stage,
    since: datetime,
    sequence: int,
) -> Standing:
    return Standing(work_id=fact.work_id, assignment_id=fact.assignment_id, stage=stage, since=since, sequence=sequence)
