"""What one service keeps about persons: to hand it out, to say what forbids to erase it, and to erase it.

Erasing begins in identity and reaches the others by a tombstone (`PersonErased`). Each deletes in the transaction that
hears of it, and notes the reference: no late fact brings the person back. What no transaction can take back, such as
files, is cleared afterwards, again and again until it is done.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from shared.chunks import in_chunks
from shared.contracts import PERSON, PersonErased, PersonRecorded
from shared.database import Database, Transaction, upsert
from shared.housekeeping import Chore
from shared.killpoints import kill_point
from shared.messaging.consumer import HandlerTable
from shared.messaging.tables import dead_letter, erased_person, look

CLEAR_SECONDS = 2.0
"""How often it is looked whether something of an erased person is to be cleared."""

CHUNK = 500
OPEN = ("buried", "parked")

Row = Mapping[str, object]

log = structlog.get_logger()


class Keeps(ABC):
    """What a service says of itself; `person_ref` is a reference. What it does not say: it has none of that."""

    @abstractmethod
    def queries(self, person_ref: str) -> Mapping[str, sa.Select[Any]]:
        """Its rows about this person, by kind."""

    def holds(self, person_ref: str, connection: sa.Connection, *, now: datetime) -> Iterable[str]:  # noqa: ARG002
        """Why this person may not be erased now, each as a clause with what to do or until when."""
        return ()

    def forget(self, person_refs: Sequence[str], tx: Transaction) -> None:  # noqa: B027 - there may be nothing to delete
        """Delete what rows have of them, but references; may be repeated."""

    def clear(self, person_ref: str) -> bool:  # noqa: ARG002
        """Delete what is no row; may be repeated. True when nothing is left."""
        return True


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an erasure is in one service: None for what has not happened yet."""

    erased_at: datetime | None = None
    cleared_at: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self.cleared_at is not None

    @property
    def words(self) -> str:
        """In words for people."""
        if self.erased_at is None:
            return "has not heard of it yet"
        return (
            "is being cleared" if self.cleared_at is None else f"nothing is left since {self.cleared_at:%Y-%m-%d %H:%M}"
        )


class Persons(Protocol):
    """What a service answers about persons, here or elsewhere; raises `Unavailable`."""

    def rows(self, person_ref: str) -> Iterable[Row]:
        """All that it keeps on this person, as JSON can have it; each row says its `kind`."""
        ...

    def holds(self, person_ref: str) -> Sequence[str]:
        """Why the person may not be erased now; empty when nothing speaks against it."""
        ...

    def progress(self, person_ref: str) -> Progress: ...


class PersonKeeper:
    """One service's persons (`Persons`), and what it does when one is erased."""

    def __init__(self, database: Database, keeps: Keeps) -> None:
        self.database = database
        self.keeps = keeps

    def rows(self, person_ref: str) -> Iterator[Row]:
        with self.database.reading() as connection:
            for kind, query in {**self.keeps.queries(person_ref), **_common(person_ref)}.items():
                for row in connection.execute(query).mappings():
                    yield {"kind": kind, **{name: _plain(value) for name, value in row.items()}}

    def holds(self, person_ref: str) -> Sequence[str]:
        with self.database.reading() as connection:
            return self.holds_within(person_ref, connection)

    def holds_within(self, person_ref: str, connection: sa.Connection) -> Sequence[str]:
        """The same on a caller's connection."""
        now = self.database.clock.now()
        return [*self.keeps.holds(person_ref, connection, now=now), *self._letters(person_ref, connection)]

    def progress(self, person_ref: str) -> Progress:
        query = sa.select(erased_person.c.erased_at, erased_person.c.cleared_at)
        with self.database.reading() as connection:
            row = connection.execute(query.where(erased_person.c.person_ref == person_ref)).one_or_none()
            has_letters = connection.scalar(sa.select(sa.exists().where(*_about(person_ref))))
        if row is None:
            return Progress()
        return Progress(erased_at=row.erased_at, cleared_at=None if has_letters else row.cleared_at)

    def table(self) -> HandlerTable:
        return {PersonErased: self.hear}

    def hear(self, erased: Sequence[PersonErased], tx: Transaction) -> None:
        """Forget these persons; a tombstone that comes again has it done again."""
        said_by = {fact.person_ref: tx.message_of(fact).actor for fact in erased}
        tx.lock(*said_by)
        for person_ref, actor in said_by.items():
            self.erase(person_ref, tx, actor=actor)

    def erase(self, person_ref: str, tx: Transaction, *, actor: str, reason: str | None = None) -> None:
        """Forget a person in this transaction, and note the reference."""
        row = {
            "person_ref": person_ref,
            "erased_at": tx.now,
            "erased_by": actor,
            "reason": reason,
            "cleared_at": None,
        }
        tx.write(upsert(erased_person, key=["person_ref"], update=["cleared_at"]), [row])
        self._forget(person_ref, tx)

    def chore(self) -> Chore:
        """The chore that clears what is left."""
        return Chore(name=f"{self.database.source}.erased_persons", every_seconds=CLEAR_SECONDS, run=self.clear)

    def clear(self) -> int:
        """Clear what is left of erased persons, and note of whom nothing is left; returns of how many.

        What came in with a transaction that had begun before is deleted here. Of whom something cannot be deleted yet,
        it is tried again.
        """
        cleared = [person_ref for person_ref in self._uncleared() if self._clear(person_ref)]
        if not cleared:
            return 0
        self.database.clear_deleted()
        kill_point("persons.cleared")
        with self.database.transaction() as tx:
            done = sa.update(erased_person).where(erased_person.c.person_ref.in_(cleared))
            tx.connection.execute(done.values(cleared_at=tx.now))
        log.info("persons.cleared", service=self.database.source, persons=len(cleared))
        return len(cleared)

    def _uncleared(self) -> Sequence[str]:
        """Of whom something is left: also in a dead letter that came afterwards and was resolved."""
        came_later = (dead_letter.c.key == erased_person.c.person_ref, dead_letter.c.state.not_in(OPEN))
        letters = sa.exists().where(dead_letter.c.topic == PERSON.name, *came_later)
        left = sa.or_(erased_person.c.cleared_at.is_(None), letters)
        with self.database.reading() as connection:
            return connection.execute(sa.select(erased_person.c.person_ref).where(left).limit(CHUNK)).scalars().all()

    def _clear(self, person_ref: str) -> bool:
        with self.database.transaction() as tx:
            self._forget(person_ref, tx)
        kill_point("persons.forgotten")
        return self.keeps.clear(person_ref)

    def _forget(self, person_ref: str, tx: Transaction) -> None:
        self.keeps.forget([person_ref], tx)
        resolved = sa.delete(dead_letter).where(*_about(person_ref), dead_letter.c.state.not_in(OPEN))
        tx.connection.execute(resolved)

    def _letters(self, person_ref: str, connection: sa.Connection) -> Iterator[str]:
        query = sa.select(dead_letter.c.id).where(*_about(person_ref), dead_letter.c.state.in_(OPEN))
        for number in connection.execute(query).scalars():
            yield (
                f"dead letter {number} is about this person, and could bring them back: replay or discard it"
                f" (etma dead-letters … --service {self.database.source})"
            )


def erased_among(person_refs: Collection[str], connection: sa.Connection) -> set[str]:
    """Which of these persons were erased, as far as this service has heard."""
    found: set[str] = set()
    for chunk in in_chunks(person_refs, CHUNK):
        query = sa.select(erased_person.c.person_ref).where(erased_person.c.person_ref.in_(chunk))
        found.update(connection.execute(query).scalars())
    return found


def still_known(recorded: Sequence[PersonRecorded], tx: Transaction) -> list[PersonRecorded]:
    """The facts that are not about erased persons: what comes late, or again, brings nobody back."""
    erased = erased_among({fact.person_ref for fact in recorded}, tx.connection)
    return [fact for fact in recorded if fact.person_ref not in erased]


def _about(person_ref: str) -> Sequence[sa.ColumnElement[bool]]:
    return (dead_letter.c.topic == PERSON.name, dead_letter.c.key == person_ref)


def _common(person_ref: str) -> Mapping[str, sa.Select[Any]]:
    return {
        "looks": sa.select(look).where(look.c.person_ref == person_ref),
        "dead_letters": sa.select(dead_letter).where(*_about(person_ref)),
        "erasures": sa.select(erased_person).where(erased_person.c.person_ref == person_ref),
    }


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
