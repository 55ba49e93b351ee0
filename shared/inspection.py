"""What a service tells operations about itself, read-only."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from shared.columns import MOST_DIGITS
from shared.database import Database
from shared.errors import NotFound, Rejected
from shared.messaging.bus import LogEnds
from shared.messaging.tables import dead_letter, erased_person, key_sequence, outbox, progress, timer

PAGE = 1000
"""How many rows a page has at the most."""

MOST_COUNTED = 10_000
"""Up to which number what waits is counted: an answer takes milliseconds, whatever is the matter."""


class UnknownKind(NotFound):
    """The service has no facts of this kind."""

    code = "unknown_kind"
    title = "There are no facts of this kind"


class BadPosition(Rejected):
    """The place to go on from is none of this kind."""

    code = "bad_position"
    title = "This is not a position"


class Inspection(Protocol):
    """Facts by kind, paged by their `position` (a string that sorts), and the present state."""

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        """Rows that can be written as JSON, in order of `position`, from the one after `after` on; [] at the end.

        Raises `UnknownKind`, `BadPosition` and `Unavailable`.
        """
        ...

    def status(self) -> dict[str, object]: ...


def check_kind(kind: str, known: Collection[str]) -> None:
    """Raises `UnknownKind`, which names the known ones."""
    if kind not in known:
        raise UnknownKind(f"There are no facts of kind {kind!r} here; there are {', '.join(sorted(known))}.")


def number_of(position: str) -> sa.ColumnElement[int]:
    """The position of a kind that is numbered, 0 before the first; raises `BadPosition`.

    It may be larger than any that its column can have.
    """
    if position and not (position.isdecimal() and len(position) <= MOST_DIGITS):
        raise BadPosition(f"{position[:MOST_DIGITS]!r} is no position of this kind.")
    return sa.literal(int(position or 0), sa.BigInteger)


def outbox_facts(database: Database, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
    """The kind `outbox` of every service: what it published or will publish."""
    query = sa.select(outbox).where(outbox.c.position > number_of(after)).order_by(outbox.c.position).limit(limit)
    with database.reading() as connection:
        return [
            {
                "position": f"{row.position:012d}",
                "ce_id": row.ce_id,
                "type": row.type,
                "topic": row.topic,
                "key": row.key,
                "sequence": int(row.headers.get("ce_sequence", 0)),
                "actor": row.headers.get("ce_actor"),
                "correlation_id": row.headers.get("ce_correlationid"),
                "causation_id": row.headers.get("ce_causationid"),
                "recorded_at": row.recorded_at.isoformat(),
                "published_at": row.published_at.isoformat() if row.published_at else None,
                "value": row.value.decode(),
            }
            for row in connection.execute(query)
        ]


def is_in_flight(database: Database) -> bool:
    """Whether a fact is to be published or a timer is due; looks at the ends of two indexes, however much there was."""
    unpublished = sa.exists().where(outbox.c.published_at.is_(None))
    due = sa.exists().where(timer.c.due_at <= database.clock.now())
    with database.reading() as connection:
        return bool(connection.scalar(sa.select(sa.or_(unpublished, due))))


def counter_facts(database: Database, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
    """The kind `counters` of every service: how many facts it said of each key."""
    key = key_sequence.c.key
    said = sa.select(key.label("position"), key, key_sequence.c.sequence).where(key_sequence.c.sequence > 0)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(said.where(key > after).order_by(key).limit(limit)).mappings()]


def erased_facts(database: Database, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
    """The kind `erased` of every service: the references of who was erased, as far as it has heard."""
    ref = erased_person.c.person_ref
    query = sa.select(ref.label("position"), ref).where(ref > after).order_by(ref).limit(limit)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


MESSAGING_KINDS: Mapping[str, Callable[..., list[dict[str, object]]]] = {
    "outbox": outbox_facts,
    "counters": counter_facts,
    "erased": erased_facts,
}
"""The kinds that every service shows; each is called with the database, `after` and `limit`."""


def numbered_row(row: sa.RowMapping, *, hidden: Collection[str] = ()) -> dict[str, object]:
    """A row as it can be written as JSON, without what is `hidden`; its `position` as text that sorts."""
    plain = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if name not in hidden
    }
    position = plain["position"]
    return plain | {"position": f"{position:012d}" if isinstance(position, int) else position}


def messaging_status(database: Database, log: LogEnds | None = None) -> dict[str, object]:
    """Backlog, lag and dead letters of one service; `lag` is None where nothing knows where the log ends.

    Each number is counted in an index of what waits, up to `MOST_COUNTED`. `oldest_unpublished` is when the first fact
    of those that are not published was said.
    """
    unpublished = outbox.c.published_at.is_(None)
    oldest = sa.select(outbox.c.recorded_at).where(unpublished).order_by(outbox.c.position).limit(1)
    figures = sa.select(
        _count(outbox, unpublished).label("unpublished"),
        oldest.scalar_subquery().label("oldest_unpublished"),
        _count(dead_letter, *_letters_in("buried")).label("dead_letters"),
        _count(dead_letter, *_letters_in("parked")).label("parked"),
        _count(timer, timer.c.due_at <= database.clock.now()).label("timers_due"),
        _count(timer, timer.c.failures > sa.text("0")).label("timers_failing"),
    )
    with database.reading() as connection:
        found = dict(connection.execute(figures).mappings().one())
        places = connection.execute(sa.select(progress)).all()
    first = json.loads(json.dumps(found["oldest_unpublished"], default=str))
    return found | {"oldest_unpublished": first, "lag": None if log is None else _lag(log, places)}


def counted(connection: sa.Connection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    """How many rows there are that have an index for these conditions; `MOST_COUNTED` for more as well."""
    return int(connection.execute(sa.select(_count(table, *conditions))).scalar_one())


def _count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    some = sa.select(sa.literal(1)).select_from(table).where(*conditions).limit(MOST_COUNTED).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


def _letters_in(state: str) -> tuple[sa.ColumnElement[bool], ...]:
    """In the words of the index `dead_letter_open`, so that it is used."""
    return sa.literal_column("state IN ('buried','parked')"), dead_letter.c.state == state


def _lag(log: LogEnds, places: Sequence[Any]) -> int:
    """How many records are still to be read; a consumer notes its place in every partition when it begins.

    A partition whose end nobody has noted yet counts nothing.
    """
    ends = log.end_offsets() if places else {}
    known = [row for row in places if (row.topic, row.partition) in ends]
    topic_ids = {topic: log.topic_id(topic) for topic in {row.topic for row in known}}
    return sum(_unread(row, ends[row.topic, row.partition], topic_ids[row.topic]) for row in known)


def _unread(row: Any, end: int, topic_id: str) -> int:  # noqa: ANN401 - a row
    """Of one partition; of a log made anew, nothing was read."""
    return max(0, end - row.next_offset) if row.topic_id == topic_id else end
