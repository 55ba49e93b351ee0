"""Puts obligations into deliveries, at once or when a digest is due, and sends what is queued."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
    by_person,
    flaw_of,
    judge,
    letter_of,
    plan,
    together,
)
from services.notifier.deliveries.letters import Letters
from services.notifier.deliveries.store import DeliveryStore, delivery_id_of
from services.notifier.directory.domain import Contact
from services.notifier.directory.store import DirectoryStore
from services.notifier.obligations.domain import Obligation, ObligationState
from services.notifier.obligations.store import ObligationStore
from services.notifier.preferences.domain import Way, next_digest
from services.notifier.preferences.store import PreferenceStore
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
    preferences: PreferenceStore


@dataclass(frozen=True, kw_only=True)
class DispatchSettings:
    """`window` is how long news is gathered for who is told at once; zero: one mail a person and run of facts.

    `daily_hour` is the full hour of UK time of the daily digest, `domain` the right side of each Message-ID.
    """

    window: timedelta
    domain: str
    daily_hour: int = 7


class Dispatcher:
    """Puts each obligation into a delivery now, or lets it wait for its person's digest, as the person chose.

    A person has one timer for what waits, whichever digest it is for. It is only ever set here, while something waits:
    nobody who changes a choice touches it, because whoever fires it holds it and waits for the lock of the person. One
    that fires too early, because the person chose the daily digest since, is set anew; one for which nothing waits any
    more does nothing.
    """

    def __init__(self, stores: Stores, timers: Timers, settings: DispatchSettings) -> None:
        self.stores = stores
        self.timers = timers
        self.settings = settings

    def dispatch(
        self, owed: Sequence[Obligation], contacts: Mapping[str, Contact], tx: Transaction
    ) -> list[Obligation]:
        """Return the obligations with their delivery, or pending; the caller holds the locks of their persons."""
        ways = self._ways({obligation.duty.person_ref for obligation in owed}, tx)
        erased = {contact.person_ref for contact in contacts.values() if contact.erased}
        planned = plan(owed, ways, unreachable=erased, gathers=bool(self.settings.window))
        soon = dict.fromkeys(by_person(planned.gathered), tx.now + self.settings.window)
        in_the_morning = dict.fromkeys(by_person(planned.daily), self._morning_after(tx.now))
        self._set_timers(soon | in_the_morning, tx)
        return [*self._open(planned.batches, contacts, tx), *planned.gathered, *planned.daily]

    def fire(self, timers: Sequence[Timer], tx: Transaction) -> None:
        """Gather all that is pending for these persons, a delivery each, or wait for the morning with those who do."""
        person_refs = sorted(timer.key for timer in timers)
        tx.lock(*person_refs)
        pending = by_person(self.stores.obligations.pending_for(person_refs, tx))
        ways = self._ways(pending, tx)
        mornings = {
            person_ref: self._morning_after(owed[0].created_at)
            for person_ref, owed in pending.items()
            if ways.get(person_ref) is Way.DAILY
        }
        early = {person_ref: morning for person_ref, morning in mornings.items() if morning > tx.now}
        self._set(early, tx)
        due = [obligation for person_ref, owed in pending.items() if person_ref not in early for obligation in owed]
        contacts = self.stores.directory.contacts(person_refs, tx.connection)
        self.stores.obligations.save_all(self._open(together(due), contacts, tx), tx)

    def redirect(self, person_ref: str, way: Way, tx: Transaction) -> None:
        """Have what waits for a person who chose `way` go out now, or not at all, or wait for the morning.

        The caller holds the lock of the person.
        """
        pending = self.stores.obligations.pending_for([person_ref], tx)
        if way is Way.DAILY or not pending:
            return
        contacts = self.stores.directory.contacts([person_ref], tx.connection)
        batches = together(pending, silent=way is Way.INBOX_ONLY)
        self.stores.obligations.save_all(self._open(batches, contacts, tx), tx)

    def _ways(self, person_refs: Collection[str], tx: Transaction) -> dict[str, Way]:
        chosen = self.stores.preferences.of(person_refs, tx.connection)
        return {person_ref: preference.way for person_ref, preference in chosen.items()}

    def _morning_after(self, moment: datetime) -> datetime:
        return next_digest(moment, hour=self.settings.daily_hour)

    def _set_timers(self, due: Mapping[str, datetime], tx: Transaction) -> None:
        """Set those of persons for whom nothing waited before."""
        if due:
            waited = self.stores.obligations.with_pending(due, tx)
            self._set({person_ref: due[person_ref] for person_ref in due.keys() - waited}, tx)

    def _set(self, due: Mapping[str, datetime], tx: Transaction) -> None:
        self.timers.set_all(tx, [Timer(kind=DIGEST, key=ref, due_at=due[ref], payload={}) for ref in sorted(due)])

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
        suppressed = SuppressReason.NO_ADDRESS if not contact.email else SuppressReason.INBOX_ONLY
        goes = bool(contact.email) and not batch.silent
        return Delivery(
            delivery_id=delivery_id,
            person_ref=batch.person_ref,
            message_id=f"<{delivery_id}@{self.settings.domain}>",
            correlation_id=batch.obligations[0].correlation_id,
            state=DeliveryState.QUEUED if goes else DeliveryState.SUPPRESSED,
            reason="" if goes else suppressed,
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
    flaw = flaw_of(contact, tells=bool(told))
    if flaw or contact is None:
        return _Hopeless(delivery=delivery, told=told, flaw=flaw or Flaw.PERSON_UNKNOWN)
    return _Job(delivery=delivery, told=told, contact=contact, labels=labels)


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
