"""What operations staff do with buried messages. The letters stay in the service that buried them; this only asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from services.operations.dead_letters.domain import checked_reason
from shared.contracts import PERSON
from shared.database import Context, Database
from shared.errors import EtmaError, NotFound
from shared.looks import record_look
from shared.messaging.dead_letters import DeadLetter, Rehearsal


class Letters(Protocol):
    """The dead letters of one service: list, look, replay in order with what is parked behind, or give up."""

    def list(self, state: str = "buried", *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]: ...

    def show(self, letter_id: str) -> DeadLetter: ...

    def behind(self, letter_id: str, *, limit: int = 100) -> Sequence[DeadLetter]: ...

    def rehearse(self, letter_id: str) -> Rehearsal: ...

    def replay(self, letter_id: str, *, actor: str = "system") -> Any: ...  # noqa: ANN401

    def discard(self, letter_id: str, reason: str, *, actor: str = "system") -> Any: ...  # noqa: ANN401


PAGE = 100
BEHIND = 20
"""How many of those that wait behind a letter are shown."""
COMMAND_LINE = "operations:command-line"
"""Who replays and discards by command, as it is recorded."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A letter as plain values, with the service that has it."""

    service: str
    letter: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Pile:
    """The letters of one service as a page shows them; `problem` has the words when it could not be read.

    `more_after` is the number to go on behind, None at the end.
    """

    service: str
    letters: Sequence[DeadLetter] = ()
    more_after: int | None = None
    problem: str | None = None


class DeadLetterDesk:
    """The dead letters of several services at one place."""

    def __init__(self, services: Mapping[str, Letters]) -> None:
        self.services = services

    def list(self, *, service: str | None = None, state: str = "buried") -> Sequence[Found]:
        """Return the letters in a state, of one service or of all; raises `NotFound` for an unknown service."""
        return [
            Found(service=name, letter=plain(letter))
            for name, letters in self._of(service)
            for letter in _all(letters, state)
        ]

    def piles(self, state: str, *, service: str | None = None, after: int = 0) -> Sequence[Pile]:
        """Return the first letters in a state behind number `after`, service by service, asked all at once.

        One that cannot be asked says so and hides no other. Raises `NotFound` for an unknown service.
        """
        asked = list(self._of(service))
        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            return list(pool.map(lambda each: _pile(each[0], each[1], state, after), asked))

    def show(self, service: str, letter_id: str) -> Mapping[str, object]:
        """Return everything about one letter; raises `NotFound`."""
        return plain(self._only(service).show(letter_id))

    def replay(self, service: str, letter_id: str, *, actor: str = COMMAND_LINE) -> Mapping[str, object]:
        """Handle a letter again and then what is parked behind it; returns what came of it, raises `NotFound`."""
        return plain(self._only(service).replay(letter_id, actor=actor))

    def letter(self, service: str, letter_id: str) -> DeadLetter:
        """Return one letter with its bytes as they are; raises `NotFound`."""
        return self._only(service).show(letter_id)

    def behind(self, service: str, letter_id: str) -> Sequence[DeadLetter]:
        """Return the first of those that wait behind a letter; raises `NotFound`."""
        return self._only(service).behind(letter_id, limit=BEHIND)

    def rehearse(self, service: str, letter_id: str) -> Rehearsal:
        """Return what `replay` would do now; nothing of it is kept. Raises `NotFound` and `Conflict`."""
        return self._only(service).rehearse(letter_id)

    def discard(self, service: str, letter_id: str, *, reason: str, actor: str = COMMAND_LINE) -> Mapping[str, object]:
        """Give a letter up for a reason; raises `NotFound`, and `NoReason` without one."""
        return plain(self._only(service).discard(letter_id, checked_reason(reason), actor=actor))

    def _of(self, service: str | None) -> Iterator[tuple[str, Letters]]:
        names = list(self.services) if service is None else [service]
        for name in names:
            yield name, self._only(name)

    def _only(self, service: str) -> Letters:
        if service not in self.services:
            message = f"there is no service {service} with dead letters; there are {', '.join(sorted(self.services))}"
            raise NotFound(message)
        return self.services[service]


class Opening:
    """Shows a letter whole."""

    def __init__(self, desk: Callable[[], DeadLetterDesk], database: Database) -> None:
        self.desk = desk
        self.database = database

    def open(self, service: str, letter_id: str, *, actor: str) -> tuple[DeadLetter, Sequence[DeadLetter]]:
        """Return a letter, and the first of those that wait behind it; raises `NotFound` and `Unavailable`.

        One about a person says in its bytes who that is: who looks is recorded before they are shown.
        """
        desk = self.desk()
        letter = desk.letter(service, letter_id)
        if letter.topic == PERSON.name:
            with self.database.transaction(Context(actor=actor)) as tx:
                record_look(tx, person_ref=letter.key, what="dead letter")
        return letter, desk.behind(service, letter_id)


def _pile(service: str, letters: Letters, state: str, after: int) -> Pile:
    try:
        found = letters.list(state, after=after, limit=PAGE)
    except EtmaError as error:
        return Pile(service=service, problem=error.detail)
    return Pile(service=service, letters=found, more_after=found[-1].id if len(found) == PAGE else None)


def _all(letters: Letters, state: str) -> Iterator[Any]:
    after = 0
    while page := letters.list(state, after=after, limit=PAGE):
        yield from page
        after = page[-1].id


def plain(value: object) -> Mapping[str, object]:
    """Return a result as values that JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain_value(each) for name, each in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(name): _plain_value(each) for name, each in value.items()}
    return {"outcome": _plain_value(value)}


def _plain_value(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain_value(each) for name, each in value.items()}
    return str(value)
