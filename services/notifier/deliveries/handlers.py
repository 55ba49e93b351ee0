"""Puts obligations into deliveries, at once or when a digest is due, and sends what is queued."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

import structlog

from services.notifier.channels.port import Channel, Fate, Mail, Outcome
from services.notifier.deliveries.domain import (
    Batch,
    Delivery,
    DeliveryState,
    Flaw,
    SuppressReason,
    Verdict,
    at_once,
    digests,
    judge,
    letter_of,
)
from services.notifier.deliveries.letters import Letters
from services.notifier.deliveries.store import DeliveryStore, delivery_id_of
from services.notifier.directory.domain import Contact
from services.notifier.directory.store import DirectoryStore
from services.notifier.obligations.domain import DIGEST_PURPOSES, Obligation, ObligationState
from services.notifier.obligations.store import ObligationStore
from shared.contracts import DeliveryFailed, DeliverySent
from shared.database import Database, Transaction
from shared.errors import Rejected, Unavailable
from shared.killpoints import kill_point
from shared.timers import Timer, Timers

DIGEST = "digest"
"""The kind of timer that fires a person's digest; its key is the person."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The rows that going out needs."""

    deliveries: DeliveryStore
    obligations: ObligationStore
    directory: DirectoryStore


class Dispatcher:
    """Puts each obligation into a delivery now, or lets it wait for its person's digest.

    `window` is how long a digest gathers; zero means one delivery per person and run of facts. `domain` is the right
    side of each Message-ID.
    """

    def __init__(self, stores: Stores, timers: Timers, *, window: timedelta, domain: str) -> None:
        self.stores = stores
        self.timers = timers
        self.window = window
        self.domain = domain

    def dispatch(
        self, owed: Sequence[Obligation], contacts: Mapping[str, Contact], tx: Transaction
    ) -> list[Obligation]:
        """Return the obligations with their delivery, or pending; the caller holds the locks of their persons."""
        if not self.window:
            return self._open([*at_once(owed), *digests(owed)], contacts, tx)
        waiting = [o for o in owed if o.duty.purpose in DIGEST_PURPOSES]
        self._set_timers(waiting, tx)
        return [*self._open(at_once(owed), contacts, tx), *waiting]

    def fire(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """Gather all that is pending for these persons, a delivery each."""
        person_refs = sorted(timer.key for timer in timers)
        tx.lock(*person_refs)
        pending = self.stores.obligations.pending_for(person_refs, tx)
        contacts = self.stores.directory.contacts(person_refs, tx.connection)
        self.stores.obligations.save_all(self._open(digests(pending), contacts, tx), tx)

    def _set_timers(self, waiting: Sequence[Obligation], tx: Transaction) -> None:
        persons = {obligation.duty.person_ref for obligation in waiting}
        if persons:
            for person_ref in sorted(persons - self.stores.obligations.with_pending(persons, tx)):
                self.timers.set(tx, kind=DIGEST, key=person_ref, due_at=tx.now + self.window)

    def _open(self, batches: Sequence[Batch], contacts: Mapping[str, Contact], tx: Transaction) -> list[Obligation]:
        made = [self._delivery(batch, contacts[batch.person_ref], tx) for batch in batches]
        self.stores.deliveries.add_all(made, tx)
        return [
            replace(obligation, state=ObligationState.ASSIGNED, delivery_id=delivery.delivery_id)
            for batch, delivery in zip(batches, made, strict=True)
            for obligation in batch.obligations
        ]

    def _delivery(self, batch: Batch, contact: Contact, tx: Transaction) -> Delivery:
        delivery_id = delivery_id_of(batch)
        reachable = bool(contact.email)
        return Delivery(
            delivery_id=delivery_id,
            person_ref=batch.person_ref,
            message_id=f"<{delivery_id}@{self.domain}>",
            correlation_id=batch.obligations[0].correlation_id,
            state=DeliveryState.QUEUED if reachable else DeliveryState.SUPPRESSED,
            reason="" if reachable else SuppressReason.NO_ADDRESS,
            created_at=tx.now,
            next_try_at=tx.now,
        )


@dataclass(frozen=True, kw_only=True)
class SenderSettings:
    """`base_url` is where the links lead, without a slash at its end; `from_address` is whom the mail is from."""

    base_url: str
    from_address: str
    batch_size: int = 200
    abandoned_after: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A claimed delivery and all that its letter needs."""

    delivery: Delivery
    told: tuple[Obligation, ...]
    contact: Contact
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Hopeless:
    """A claimed delivery for which there can be no letter."""

    delivery: Delivery
    told: tuple[Obligation, ...]
    flaw: Flaw


class Sender:
    """Hands queued deliveries to the channel, in batches.

    Claims in one transaction and marks in another, so that a crash between them leaves `sending`: that may have left,
    and goes again under the same Message-ID. It takes over what another has had in hand for a minute, because that one
    has probably died; and at every step what it could not mark itself, because the database was away.
    What can never go out fails with one of `Flaw`, and stops nobody else.
    """

    name = "notifier.sender"

    def __init__(self, database: Database, stores: Stores, channel: Channel, settings: SenderSettings) -> None:
        self.database = database
        self.stores = stores
        self.channel = channel
        self.settings = settings
        self.owner = str(uuid4())
        self._letters = Letters()
        self._abandoned_after = settings.abandoned_after

    def take_over(self) -> None:
        """Do not wait the minute at the next step, where it is known that nobody else sends."""
        self._abandoned_after = timedelta(0)

    def step(self, stop: threading.Event) -> bool:
        """Send one batch; return whether there was one that went. False when there is nothing, or the way is closed."""
        if stop.is_set():
            return False
        claimed = self._claim()
        if not claimed:
            return False
        kill_point("notifier.claimed")
        jobs = self._prepare(claimed)
        outcomes = self._hand_over(jobs)
        kill_point("notifier.delivered")
        self._mark(jobs, outcomes)
        kill_point("notifier.marked")
        return any(outcome.fate is not Fate.UNAVAILABLE for outcome in outcomes)

    def _claim(self) -> list[Delivery]:
        limit = self.settings.batch_size
        with self.database.transaction() as tx:
            claimed = self.stores.deliveries.reclaim(self.owner, older_than=self._abandoned_after, limit=limit, tx=tx)
            if not claimed:
                self._abandoned_after = self.settings.abandoned_after
                claimed = self.stores.deliveries.claim(self.owner, limit=limit, tx=tx)
        return claimed

    def _prepare(self, claimed: Sequence[Delivery]) -> list[_Job | _Hopeless]:
        """Read all together; when that fails and it is not the database, each alone to find the culprit."""
        try:
            return self._read(claimed)
        except Unavailable:
            raise
        except Exception as failure:  # noqa: BLE001 - the edge: one bad row must not stop the others
            if len(claimed) > 1:
                return [job for delivery in claimed for job in self._prepare([delivery])]
            _not_understood(failure, claimed[0])
            return [_Hopeless(delivery=claimed[0], told=(), flaw=Flaw.UNREADABLE)]

    def _read(self, claimed: Sequence[Delivery]) -> list[_Job | _Hopeless]:
        with self.database.reading() as connection:
            told = self.stores.obligations.of_deliveries({d.delivery_id for d in claimed}, connection)
            contacts = self.stores.directory.contacts({d.person_ref for d in claimed}, connection)
            labels = self.stores.directory.labels(
                {o.duty.assignment_id for group in told.values() for o in group}, connection
            )
        return [
            _job(delivery, tuple(told.get(delivery.delivery_id, ())), contacts.get(delivery.person_ref), labels)
            for delivery in claimed
        ]

    def _hand_over(self, jobs: Sequence[_Job | _Hopeless]) -> list[Outcome]:
        """Send what can be sent; what has a flaw is refused before."""
        went = iter(self._send([job for job in jobs if isinstance(job, _Job)]))
        return [next(went) if isinstance(job, _Job) else Outcome(Fate.REJECTED, job.flaw) for job in jobs]

    def _send(self, jobs: Sequence[_Job]) -> list[Outcome]:
        """Send all together; when that fails and it is not the channel, send each alone to find the culprit."""
        if not jobs:
            return []
        try:
            return self.channel.send_all([self._mail(job) for job in jobs])
        except Unavailable as failure:
            return [Outcome(Fate.UNAVAILABLE, failure.code) for _ in jobs]
        except Exception as failure:  # noqa: BLE001 - the edge: a bug in one mail must not stop the others
            if len(jobs) > 1:
                return [outcome for job in jobs for outcome in self._send([job])]
            return [_outcome_of(failure, jobs[0].delivery)]

    def _mail(self, job: _Job) -> Mail:
        letter = letter_of(job.contact, job.told, job.labels, base_url=self.settings.base_url)
        return Mail(
            delivery_id=job.delivery.delivery_id,
            message_id=job.delivery.message_id,
            sender=self.settings.from_address,
            to=job.contact.email or "",
            subject=letter.subject,
            text=self._letters.text(letter),
            html=self._letters.html(letter),
            date=job.delivery.created_at,
        )

    def _mark(self, jobs: Sequence[_Job | _Hopeless], outcomes: Sequence[Outcome]) -> None:
        with self.database.transaction() as tx:
            tx.lock(*sorted(job.delivery.delivery_id for job in jobs))
            mine = self.stores.deliveries.still_of(self.owner, {job.delivery.delivery_id for job in jobs}, tx)
            judged = [
                (job, judge(job.delivery, outcome))
                for job, outcome in zip(jobs, outcomes, strict=True)
                if job.delivery.delivery_id in mine
            ]
            self.stores.deliveries.put_down({job.delivery.delivery_id: verdict for job, verdict in judged}, tx)
            tx.publish_all(fact for job, verdict in judged for fact in _facts(job, verdict, tx))
        for job, verdict in judged:
            _log.info(
                f"delivery.{verdict.state}",
                delivery_id=job.delivery.delivery_id,
                person_ref=job.delivery.person_ref,
                correlation_id=job.delivery.correlation_id,
                attempts=job.delivery.attempts,
                reason=verdict.reason,
            )


def _job(
    delivery: Delivery, told: tuple[Obligation, ...], contact: Contact | None, labels: Mapping[str, str]
) -> _Job | _Hopeless:
    if not told:
        return _Hopeless(delivery=delivery, told=told, flaw=Flaw.NOTHING_TO_TELL)
    if contact is None or contact.email is None:
        return _Hopeless(delivery=delivery, told=told, flaw=_flaw_of(contact))
    return _Job(delivery=delivery, told=told, contact=contact, labels=labels)


def _flaw_of(contact: Contact | None) -> Flaw:
    if contact is None:
        return Flaw.PERSON_UNKNOWN
    return Flaw.ERASED if contact.erased else Flaw.NO_ADDRESS


def _outcome_of(failure: Exception, delivery: Delivery) -> Outcome:
    if isinstance(failure, Rejected):
        return Outcome(Fate.REJECTED, failure.code)
    _not_understood(failure, delivery)
    return Outcome(Fate.UNCERTAIN, type(failure).__name__)


def _not_understood(failure: Exception, delivery: Delivery) -> None:
    _log.error(
        "delivery.not_understood",
        delivery_id=delivery.delivery_id,
        correlation_id=delivery.correlation_id,
        exc_info=failure,
    )


def _facts(job: _Job | _Hopeless, verdict: Verdict, tx: Transaction) -> list[DeliverySent | DeliveryFailed]:
    delivery_id, person_ref = job.delivery.delivery_id, job.delivery.person_ref
    purposes = tuple(sorted({o.duty.purpose.value for o in job.told}))
    work_ids = tuple(sorted({o.duty.work_id for o in job.told}))
    if verdict.state is DeliveryState.SENT:
        return [
            DeliverySent(
                delivery_id=delivery_id, person_ref=person_ref, purposes=purposes, work_ids=work_ids, sent_at=tx.now
            )
        ]
    if verdict.state is DeliveryState.FAILED:
        return [
            DeliveryFailed(
                delivery_id=delivery_id,
                person_ref=person_ref,
                purposes=purposes,
                work_ids=work_ids,
                reason=verdict.reason,
                failed_at=tx.now,
            )
        ]
    return []
