"""Writes down what must be told to whom, in the transaction that hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from services.notifier.directory.domain import Contact
from services.notifier.directory.store import DirectoryStore
from services.notifier.obligations import domain
from services.notifier.obligations.domain import Duty, Obligation, ObligationState, WaitsFor
from services.notifier.obligations.store import ObligationStore, obligation_id_of
from shared.contracts import (
    CollectedVersionScanned,
    Fact,
    LatenessCorrected,
    LaterVersionDeclined,
    LaterVersionTaken,
    PersonRecorded,
    RequestAgreed,
    RequestCountered,
    RequestDeclined,
    RequestEscalated,
    RequestLapsed,
    RequestMoved,
    RequestProposed,
    RequestReminded,
    RequestWithdrawn,
    ScriptAllocated,
    ScriptHeld,
    ScriptReallocated,
    SubmissionReceived,
    SubmissionRefused,
    SubmissionScanned,
    UploadLapsed,
    VersionNotTaken,
)
from shared.database import Transaction
from shared.messaging.consumer import HandlerTable
from shared.messaging.message import Message
from shared.persons import still_known

F = TypeVar("F", bound=Fact)


class Dispatch(Protocol):
    """Decides how obligations go out."""

    def __call__(
        self, owed: Sequence[Obligation], contacts: Mapping[str, Contact], tx: Transaction
    ) -> Sequence[Obligation]:
        """Return the same obligations, each in a delivery made in this transaction, or pending for a digest to come."""
        ...


class Obligations:
    """Owe each person what each fact obliges us to tell them, once.

    Who is not known yet is no failure: the obligation is held, and released by the fact that tells who they are.
    """

    def __init__(self, obligations: ObligationStore, directory: DirectoryStore, dispatch: Dispatch) -> None:
        self.obligations = obligations
        self.directory = directory
        self.dispatch = dispatch

    def table(self) -> HandlerTable:
        return {
            PersonRecorded: self.meet,
            SubmissionReceived: self.give_receipts,
            SubmissionRefused: self.tell_refused,
            UploadLapsed: self.tell_lapsed,
            LatenessCorrected: self.tell_corrected,
            SubmissionScanned: self.tell_scanned,
            CollectedVersionScanned: self.warn,
            VersionNotTaken: self.ask,
            LaterVersionTaken: self.tell_taken,
            LaterVersionDeclined: self.tell_declined,
            ScriptAllocated: self.tell_allocated,
            ScriptReallocated: self.tell_moved,
            ScriptHeld: self.tell_withdrawn,
            **self._of_requests(),
        }

    def _of_requests(self) -> HandlerTable:
        """Of each step of a request, whoever it concerns is told; which ones, the domain says."""
        return {
            RequestProposed: partial(self._tell, domain.askings),
            RequestCountered: partial(self._tell, domain.counters),
            RequestAgreed: partial(self._tell, domain.agreements),
            RequestDeclined: partial(self._tell, domain.refusals_of_requests),
            RequestWithdrawn: partial(self._tell, domain.withdrawals_of_requests),
            RequestLapsed: partial(self._tell, domain.lapses_of_requests),
            RequestEscalated: partial(self._tell, domain.escalations),
            RequestReminded: partial(self._tell, domain.reminders),
            RequestMoved: partial(self._tell, domain.moves_of_requests),
        }

    def meet(self, recorded: Sequence[PersonRecorded], tx: Transaction) -> None:
        """Know these persons, and release what waited for them."""
        person_refs = sorted({fact.person_ref for fact in recorded})
        tx.lock(*person_refs)
        self.directory.save_persons(still_known(recorded, tx), tx)
        held = self.obligations.held_for(person_refs, tx)
        if held:
            self._send_out(held, self.directory.contacts(person_refs, tx.connection), tx)

    def let_go(self, person_refs: Sequence[str], tx: Transaction) -> None:
        """Have what waits for these persons, who were erased, wait no more: the caller holds their locks."""
        waiting = [*self.obligations.held_for(person_refs, tx), *self.obligations.pending_for(person_refs, tx)]
        if waiting:
            self._send_out(waiting, self.directory.contacts(person_refs, tx.connection), tx)

    def give_receipts(self, received: Sequence[SubmissionReceived], tx: Transaction) -> None:
        """Owe the student, and whoever handed in for them, a receipt."""
        self._owe(received, domain.receipts, tx)

    def tell_refused(self, refused: Sequence[SubmissionRefused], tx: Transaction) -> None:
        """Owe the student the reason."""
        self._owe(refused, domain.refusals, tx)

    def tell_lapsed(self, lapsed: Sequence[UploadLapsed], tx: Transaction) -> None:
        """Owe the student word of a file that was not handed in."""
        self._owe(lapsed, domain.lapses, tx)

    def tell_corrected(self, corrected: Sequence[LatenessCorrected], tx: Transaction) -> None:
        """Owe the student the new ruling."""
        self._owe(corrected, domain.corrections, tx)

    def tell_scanned(self, scanned: Sequence[SubmissionScanned], tx: Transaction) -> None:
        """Owe the student word of malware, and operations staff of what needs a look."""
        self._owe(scanned, domain.scans, tx)

    def warn(self, scanned: Sequence[CollectedVersionScanned], tx: Transaction) -> None:
        """Owe a word to the tutor who has the file."""
        self._owe(scanned, domain.warnings, tx)

    def ask(self, not_taken: Sequence[VersionNotTaken], tx: Transaction) -> None:
        """Owe the student a word, and the tutor a question."""
        self._owe(not_taken, domain.questions, tx)

    def tell_taken(self, taken: Sequence[LaterVersionTaken], tx: Transaction) -> None:
        """Owe the student the tutor's choice."""
        self._owe(taken, domain.takings, tx)

    def tell_declined(self, declined: Sequence[LaterVersionDeclined], tx: Transaction) -> None:
        """Owe the student the tutor's choice."""
        self._owe(declined, domain.declinings, tx)

    def tell_allocated(self, allocated: Sequence[ScriptAllocated], tx: Transaction) -> None:
        """Owe the tutor word of a new script."""
        self._owe(allocated, domain.allocations, tx)

    def tell_moved(self, reallocated: Sequence[ScriptReallocated], tx: Transaction) -> None:
        """Owe word to the tutor who had the script and to the one who has it."""
        self._owe(reallocated, domain.moves, tx)

    def tell_withdrawn(self, held: Sequence[ScriptHeld], tx: Transaction) -> None:
        """Owe word to the tutor who had the script."""
        self._owe(held, domain.withdrawals, tx)

    def _tell(self, rule: Callable[[F], Iterable[Duty]], facts: Sequence[F], tx: Transaction) -> None:
        self._owe(facts, rule, tx)

    def _owe(self, facts: Sequence[F], rule: Callable[[F], Iterable[Duty]], tx: Transaction) -> None:
        owed = {
            obligation.obligation_id: obligation
            for fact in facts
            for duty in rule(fact)
            for obligation in (_obligation(duty, tx.message_of(fact), tx),)
        }
        person_refs = sorted({obligation.duty.person_ref for obligation in owed.values()})
        tx.lock(*person_refs)
        known = self.obligations.of_events({obligation.event_id for obligation in owed.values()}, tx)
        fresh = [obligation for obligation_id, obligation in owed.items() if obligation_id not in known]
        contacts = self.directory.contacts(person_refs, tx.connection)
        self.obligations.save_all([o for o in fresh if o.duty.person_ref not in contacts], tx)
        self._send_out([o for o in fresh if o.duty.person_ref in contacts], contacts, tx)

    def _send_out(self, owed: Sequence[Obligation], contacts: Mapping[str, Contact], tx: Transaction) -> None:
        free = [replace(o, state=ObligationState.PENDING, waits_for=None) for o in owed]
        self.obligations.save_all(self.dispatch(free, contacts, tx), tx)


def _obligation(duty: Duty, because: Message, tx: Transaction) -> Obligation:
    """Write an obligation as it is while nobody knows the person."""
    return Obligation(
        obligation_id=obligation_id_of(because.id, duty.person_ref, duty.purpose),
        event_id=because.id,
        event_type=because.type,
        correlation_id=because.correlation_id,
        duty=duty,
        created_at=tx.now,
        state=ObligationState.HELD,
        waits_for=WaitsFor.PERSON,
    )
