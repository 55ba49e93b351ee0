"""The port of all channels: what a message is, and what became of handing it over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message to one address. `delivery_id` and `message_id` stay the same however often it is sent."""

    delivery_id: str
    message_id: str
    sender: str
    to: str
    subject: str
    text: str
    html: str
    date: datetime


class Fate(StrEnum):
    """What became of handing over one mail."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Outcome:
    """`accepted` is durable; `rejected` will never work; `unavailable` did not leave; `uncertain` may have left.

    `reason` is a code, never words of a person or an address.
    """

    fate: Fate
    reason: str = ""

    @classmethod
    def accepted(cls) -> Self:
        return cls(Fate.ACCEPTED)


class Channel(Protocol):
    """A way to people.

    Handing the same mail over again must be harmless: it goes under the same Message-ID, and a channel that keeps mails
    keeps one.
    """

    def send_all(self, mails: Sequence[Mail]) -> list[Outcome]:
        """Hand these mails over, and return one outcome each, in their order.

        A mail is `accepted` only when a crash a moment later could not lose it. One bad mail does not touch the others.
        Raises `Unavailable` when the way itself is closed: then any of them may or may not have left, and all are to be
        handed over again.
        """
        ...

    def forget(self, delivery_ids: Collection[str]) -> None:
        """Keep nothing any more of these deliveries, for good; nothing is to be done where none is kept."""
        ...

    def message_ids(self) -> Iterator[str] | None:
        """The Message-ID of every mail that the channel keeps, copies too; None from one that hands mails on."""
        ...
