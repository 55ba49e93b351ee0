"""A notifier for tests: its real stores and handlers on a real database, and a channel that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from services.notifier.channels.port import Channel, Mail, Outcome
from services.notifier.deliveries.handlers import DIGEST, Dispatcher, DispatchSettings, Sender, SenderSettings, Stores
from services.notifier.deliveries.resending import DeliveryDesk
from services.notifier.deliveries.store import DeliveryStore, deliveries
from services.notifier.directory.handlers import Directory
from services.notifier.directory.store import DirectoryStore
from services.notifier.obligations.handlers import Obligations
from services.notifier.obligations.store import ObligationStore, obligations
from services.notifier.preferences.domain import Way
from services.notifier.preferences.handlers import Choosing
from services.notifier.preferences.store import PreferenceStore
from services.notifier.schema import metadata
from shared.clock import Clock
from shared.contracts import FACTS, Fact, fact_type
from shared.database import Database
from shared.messaging.message import Message
from shared.messaging.tables import outbox, timer
from shared.timers import Timer, Timers, TimersLoop
from tests.support.databases import ManualClock, make_database
from tests.unit.notifier_facts import NOON


class Crash(BaseException):
    """The process dies here; nothing catches it."""


@dataclass
class ScriptedChannel:
    """Keeps what it is handed, and answers as it was told: an outcome for each mail, or a failure."""

    mails: list[Mail] = field(default_factory=list)
    answers: list[Outcome | BaseException] = field(default_factory=list)
    poison: str = ""

    def send_all(self, mails: Sequence[Mail]) -> list[Outcome]:
        if any(mail.delivery_id == self.poison for mail in mails):
            message = "nobody has thought of this"
            raise KeyError(message)
        answer = self.answers.pop(0) if self.answers else Outcome.accepted()
        if isinstance(answer, Exception):
            raise answer
        self.mails.extend(mails)
        if isinstance(answer, BaseException):
            raise answer
        return [answer for _ in mails]


class House:
    """The parts together, with the short ways that tests want."""

    def __init__(
        self,
        folder: Path,
        *,
        window: timedelta = timedelta(minutes=15),
        channel: Channel | None = None,
        make: Callable[[sa.MetaData, Path, str, Clock], Database] = make_database,
    ) -> None:
        self.clock = ManualClock(NOON)
        self.database = make(metadata, folder, "notifier", self.clock)
        self.scripted = ScriptedChannel()
        self.channel = channel or self.scripted
        self.stores = Stores(
            deliveries=DeliveryStore(),
            obligations=ObligationStore(),
            directory=DirectoryStore({}),
            preferences=PreferenceStore(),
        )
        self.timers = Timers()
        self.dispatcher = Dispatcher(self.stores, self.timers, DispatchSettings(window=window, domain="etma.example"))
        self.choosing = Choosing(self.database, self.stores.preferences, self.dispatcher.redirect)
        self.desk = DeliveryDesk(self.database, self.stores)
        self.owed = Obligations(self.stores.obligations, self.stores.directory, self.dispatcher.dispatch)
        self.table = {**self.owed.table(), **Directory(self.stores.directory).table()}

    def hear(self, *facts: Fact, event_ids: Mapping[int, str] | None = None) -> None:
        """Hand facts to their handlers in runs of one type, each run in one transaction."""
        for kind, run in groupby(facts, key=type):
            heard = list(run)
            with self.database.transaction() as tx:
                tx.receive({id(fact): self._message(fact, (event_ids or {}).get(id(fact))) for fact in heard})
                self.table[kind](heard, tx)

    def hear_again(self, fact: Fact, *, event_id: str) -> None:
        """Hand one fact over under this id, as after a lost acknowledgement."""
        self.hear(fact, event_ids={id(fact): event_id})

    def choose(self, person_ref: str, way: Way) -> None:
        """Have a person choose how to be told."""
        self.choosing.choose(person_ref, way, actor=f"student:{person_ref}")

    def fire_digests(self) -> None:
        """Fire the timers that are due now, by the real loop."""
        TimersLoop(self.database, {DIGEST: self.dispatcher.fire}).step(threading.Event())

    def digests_set(self) -> dict[str, datetime]:
        """When the digest of each person is due that is set."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(timer.c.key, timer.c.due_at).where(timer.c.kind == DIGEST))
            return {row.key: row.due_at for row in rows}

    def fire_for(self, person_ref: str) -> None:
        """Fire the digest of one person, whatever waits."""
        with self.database.transaction() as tx:
            self.dispatcher.fire([Timer(kind="digest", key=person_ref, due_at=tx.now, payload={})], tx)

    def published(self) -> list[Fact]:
        """Return all facts in the outbox, oldest first."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(outbox).order_by(outbox.c.position)).all()
        return [FACTS[row.type].model_validate_json(row.value) for row in rows]

    def sender(self, *, batch_size: int = 200, alone: bool = True) -> Sender:
        """Return a sender as a process that starts now has it, alone or beside others."""
        settings = SenderSettings(
            base_url="https://etma.example", from_address="no-reply@etma.example", batch_size=batch_size
        )
        sender = Sender(self.database, self.stores, self.channel, settings)
        if alone:
            sender.take_over()
        return sender

    def send(self) -> None:
        """Send all that can be sent now."""
        sender = self.sender()
        while sender.step(threading.Event()):
            pass

    def obligations(self) -> list[sa.RowMapping]:
        return self._all(obligations, obligations.c.created_at)

    def deliveries(self) -> list[sa.RowMapping]:
        return self._all(deliveries, deliveries.c.created_at)

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """Gather the statements that go to the database."""
        seen: list[str] = []

        def note(_c: object, _cu: object, statement: str, _p: object, _ctx: object, _many: object) -> None:
            seen.append(statement)

        sa.event.listen(self.database.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            sa.event.remove(self.database.engine, "before_cursor_execute", note)

    def _message(self, fact: Fact, event_id: str | None) -> Message:
        return Message(
            id=event_id or str(uuid4()),
            type=fact_type(type(fact)),
            source=fact.topic.producer,
            topic=fact.topic.name,
            key=fact.key,
            time=NOON,
            sequence=1,
            correlation_id="c1",
            causation_id=None,
            actor="system",
            traceparent=None,
            value=fact.model_dump_json().encode(),
        )

    def _all(self, table: sa.Table, order: sa.ColumnElement[object]) -> list[sa.RowMapping]:
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(table).order_by(order)).mappings())
