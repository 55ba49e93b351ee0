"""What operations staff do with buried messages. The letters stay in the service that buried them; this only asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from shared.errors import NotFound


class Letters(Protocol):
    """The dead letters of one service: list, look, replay in order with what is parked behind, or give up."""

    def list(self, state: str = "buried", *, after: int = 0, limit: int = 100) -> Sequence[Any]: ...

    def show(self, letter_id: str) -> Any: ...  # noqa: ANN401 - the row is shown, never worked with

    def replay(self, letter_id: str, *, actor: str = "system") -> Any: ...  # noqa: ANN401

    def discard(self, letter_id: str, reason: str, *, actor: str = "system") -> Any: ...  # noqa: ANN401


PAGE = 100
ACTOR = "operations:command-line"
"""Who replays and discards, as it is recorded."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A letter as plain values, with the service that has it."""

    service: str
    letter: Mapping[str, object]


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

    def show(self, service: str, letter_id: str) -> Mapping[str, object]:
        """Return everything about one letter; raises `NotFound`."""
        return plain(self._only(service).show(letter_id))

    def replay(self, service: str, letter_id: str) -> Mapping[str, object]:
        """Handle a letter again and then what is parked behind it; returns what came of it, raises `NotFound`."""
        return plain(self._only(service).replay(letter_id, actor=ACTOR))

    def discard(self, service: str, letter_id: str, *, reason: str) -> Mapping[str, object]:
        """Give a letter up for a reason; raises `NotFound`."""
        return plain(self._only(service).discard(letter_id, reason, actor=ACTOR))

    def _of(self, service: str | None) -> Iterator[tuple[str, Letters]]:
        names = list(self.services) if service is None else [service]
        for name in names:
            yield name, self._only(name)

    def _only(self, service: str) -> Letters:
        if service not in self.services:
            message = f"there is no service {service} with dead letters; there are {', '.join(sorted(self.services))}"
            raise NotFound(message)
        return self.services[service]


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
