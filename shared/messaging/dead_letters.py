"""What a consumer could not apply: listed, shown, replayed or discarded by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
import structlog
from pydantic import ConfigDict

from shared.columns import MOST_DIGITS
from shared.database import Database, Transaction
from shared.errors import Conflict, EtmaError, NotFound, Unavailable
from shared.messaging.bus import Record
from shared.messaging.consumer import Consumer
from shared.messaging.tables import dead_letter, outbox

REHEARSED = 100
"""How many messages a rehearsal tries at the most: nobody else applies or parks meanwhile."""

log = structlog.get_logger()


class StillFails(Conflict):
    """The bug for which the message was buried is still there."""

    code = "still_fails"
    title = "The message still cannot be applied"


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message as it was read, with the reason of its burial. State: buried, parked, replayed or discarded.

    As JSON its `value` is base64: what cannot be decoded is buried as it is.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    id: int
    consumer: str
    state: str
    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    value: bytes
    reason: str
    attempts: int
    buried_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    behind: int = 0
    """How many later messages of its key are parked behind it; of one that is not buried, none."""

    def record(self) -> Record:
        """The record as the consumer first saw it."""
        return Record(
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            key=self.key,
            headers=self.headers,
            value=self.value,
        )


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a replay would do now, found out by doing it and taking it back.

    `applied` messages would be, of `waiting`: the letter and what is parked behind it, as far as a rehearsal goes.
    `says` counts by type the facts that would be said because of them. The first that fails is `failed`, for the
    reason `problem`; both are None when none does.
    """

    applied: int
    waiting: int
    says: Mapping[str, int]
    failed: int | None = None
    problem: str | None = None


class _TakenBack(Exception):
    """Ends a rehearsal: nothing of it is kept."""


def letter_number(letter_id: int | str) -> int:
    """The number of a letter as it was given from outside; -1, which no letter has, for what is no number."""
    text = str(letter_id)
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else -1


class DeadLetters:
    """The dead letters of one service. Replaying publishes nothing again; the inbox keeps an effect from doubling."""

    def __init__(self, database: Database, consumer: Consumer) -> None:
        self.database = database
        self.consumer = consumer

    def list(self, state: str = "buried", *, after: int = 0, limit: int = 100) -> list[DeadLetter]:
        """In the order of burial, from the one after `after` on."""
        query = _LETTERS.where(dead_letter.c.state == state, dead_letter.c.id > _literal(after))
        with self.database.reading() as connection:
            return [_letter(row) for row in connection.execute(query.order_by(dead_letter.c.id).limit(limit))]

    def show(self, letter_id: int | str) -> DeadLetter:
        """Raises `NotFound`."""
        with self.database.reading() as connection:
            return self._one(connection, letter_id)

    def behind(self, letter_id: int | str, *, limit: int = 100) -> Sequence[DeadLetter]:
        """What is parked behind a buried letter, in order; raises `NotFound`."""
        with self.database.reading() as connection:
            letter = self._one(connection, letter_id)
            return [_letter(row) for row in connection.execute(_parked_behind(letter).limit(limit))]

    def rehearse(self, letter_id: int | str) -> Rehearsal:
        """Do what `replay` would do with the letter and the first that are parked behind it, and take it all back.

        Nothing is kept, published or told to anybody. Raises `NotFound`, and `Conflict` when it is not buried.
        """
        letter = self.show(letter_id)
        told: list[Rehearsal] = []
        with suppress(_TakenBack), self.database.transaction() as tx:
            self._hold(letter, tx)
            parked = tx.connection.execute(_parked_behind(letter).limit(REHEARSED - 1)).all()
            told.append(self._rehearsed([letter, *map(_letter, parked)], tx))
            raise _TakenBack
        return told[0]

    def _rehearsed(self, letters: Sequence[DeadLetter], tx: Transaction) -> Rehearsal:
        last = tx.connection.scalar(sa.select(sa.func.max(outbox.c.position))) or 0
        for applied, letter in enumerate(letters):
            try:
                self.consumer.apply_messages([letter.record().message()], tx)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - the edge of a replay, as in `_apply`
                problem = error.detail if isinstance(error, EtmaError) else type(error).__name__
                return Rehearsal(applied=applied, waiting=len(letters), says={}, failed=letter.id, problem=problem)
        return Rehearsal(applied=len(letters), waiting=len(letters), says=_said_because(letters, last, tx))

    def replay(self, letter_id: int | str, *, actor: str = "system") -> int:
        """Apply the buried message and then those parked behind it, in order; returns how many were applied.

        Each is applied in a transaction of its own with its new state, so that a stop in between loses nothing.
        What fails raises and stays, buried, with those behind it: `StillFails` for a bug, which the log tells of.
        `Conflict` when it is not buried.
        """
        applied = 0
        letter: DeadLetter | None = self.show(letter_id)
        while letter is not None:
            letter = self._apply(letter, actor)
            applied += 1
        return applied

    def _apply(self, letter: DeadLetter, actor: str) -> DeadLetter | None:
        """Apply one, and return the one that takes its place."""
        try:
            with self.database.transaction() as tx:
                self._hold(letter, tx)
                self.consumer.apply_messages([letter.record().message()], tx)
                self._resolve(tx, letter, state="replayed", resolution=f"replayed by {actor}")
                return self._promote(tx, letter)
        except EtmaError:
            raise
        except Exception as error:
            log.exception("dead_letter.still_fails", consumer=self.consumer.name, letter=letter.id)
            detail = f"Dead letter {letter.id} stays buried, with what waits behind it: {type(error).__name__}."
            raise StillFails(detail) from error

    def discard(self, letter_id: int | str, reason: str, *, actor: str = "system") -> None:
        """Give the buried message up, should it come again as well; the next parked one of its key takes its place.

        `Conflict` when it is not buried.
        """
        letter = self.show(letter_id)
        with self.database.transaction() as tx:
            self._hold(letter, tx)
            self._resolve(tx, letter, state="discarded", resolution=f"discarded by {actor}: {reason}")
            if "ce_id" in letter.headers:
                self.consumer.pass_over(letter.headers["ce_id"], tx)
            self._promote(tx, letter)

    def _hold(self, letter: DeadLetter, tx: Transaction) -> None:
        """See that nobody else mends it, and that no worker parks behind it what would then wait for nothing.

        Raises `Conflict` when it is not buried any more.
        """
        self.consumer.hold(letter.topic, letter.partition, tx)
        state = self._one(tx.connection, letter.id).state
        if state != "buried":
            raise Conflict(f"Dead letter {letter.id} is {state}; only a buried one can be replayed or discarded.")

    def _promote(self, tx: Transaction, letter: DeadLetter) -> DeadLetter | None:
        """Let the next parked one of the key take the place of the one resolved, so that it can be replayed itself."""
        row = tx.connection.execute(_parked_behind(letter).limit(1)).one_or_none()
        if row is None:
            return None
        tx.connection.execute(sa.update(dead_letter).where(dead_letter.c.id == row.id).values(state="buried"))
        return self._one(tx.connection, row.id)

    def _one(self, connection: sa.Connection, letter_id: int | str) -> DeadLetter:
        this = _LETTERS.where(dead_letter.c.id == _literal(letter_number(letter_id)))
        row = connection.execute(this).one_or_none()
        if row is None:
            detail = f"There is no dead letter {letter_id} in {self.database.source}."
            raise NotFound(detail)
        return _letter(row)

    def _resolve(self, tx: Transaction, letter: DeadLetter, *, state: str, resolution: str) -> None:
        values = {"state": state, "resolution": resolution, "resolved_at": tx.now}
        tx.connection.execute(sa.update(dead_letter).where(dead_letter.c.id == letter.id).values(values))


def _said_because(letters: Sequence[DeadLetter], last: int, tx: Transaction) -> Mapping[str, int]:
    """The facts behind a position of the outbox that these letters are the cause of, by type."""
    causes = {letter.headers.get("ce_id") for letter in letters}
    said = tx.connection.execute(sa.select(outbox.c.type, outbox.c.headers).where(outbox.c.position > last))
    return Counter(row.type for row in said if row.headers.get("ce_causationid") in causes)


def _parked_behind(letter: DeadLetter) -> sa.Select[Any]:
    parked = sa.select(dead_letter).where(
        dead_letter.c.state == "parked", dead_letter.c.topic == letter.topic, dead_letter.c.key == letter.key
    )
    return parked.order_by(dead_letter.c.offset)


def _how_many_behind() -> sa.ColumnElement[int]:
    """Of a row of `dead_letter`; in the words of the index `dead_letter_open`, so that it is used."""
    other = dead_letter.alias("other")
    same = [other.c[name] == dead_letter.c[name] for name in ("consumer", "topic", "key")]
    is_open: sa.ColumnElement[bool] = sa.literal_column("other.state IN ('buried','parked')")
    is_parked = other.c.state == sa.literal_column("'parked'")
    counted = sa.select(sa.func.count()).select_from(other).where(is_open, is_parked, *same).scalar_subquery()
    return sa.case((dead_letter.c.state == "buried", counted), else_=0)


_LETTERS = sa.select(dead_letter, _how_many_behind().label("behind"))


def _literal(number: int) -> sa.ColumnElement[int]:
    """A number as it was given from outside; it may be larger than any that its column can have."""
    return sa.literal(number, sa.BigInteger)


def _letter(row: Any) -> DeadLetter:  # noqa: ANN401 - a row
    return DeadLetter(**row._mapping)  # noqa: SLF001 - the documented way to a row's mapping
