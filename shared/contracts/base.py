"""What every fact and topic has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A stream of facts of one producing service.

    `offsets` says how a consumer may check its place: `contiguous` (a hole is an error) or `increasing` (compacted).
    """

    name: str
    producer: str
    compacted: bool = False

    @property
    def offsets(self) -> Literal["contiguous", "increasing"]:
        return "increasing" if self.compacted else "contiguous"


class FactEnum(StrEnum):
    """A closed list of words that may grow later: what a reader does not know yet becomes `unknown`."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if value != "unknown" else None


class Fact(BaseModel):
    """Something that happened. Frozen; times are aware; ids are strings. Errors name fields, never what is in them.

    A `tombstone` has no value on the bus, so that a compacted topic gives up what it had of the key.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    topic: ClassVar[Topic]
    key_field: ClassVar[str]
    tombstone: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """The partition key: all facts about one thing have one key and so one order."""
        return str(getattr(self, self.key_field))

    def value(self) -> bytes:
        """What goes over the bus beside the key: JSON, nothing of a tombstone."""
        return b"" if self.tombstone else self.model_dump_json().encode()

    @classmethod
    def read(cls, key: str, value: bytes) -> Self:
        """What `value` wrote; raises pydantic's `ValidationError`."""
        return cls.model_validate({cls.key_field: key}) if cls.tombstone else cls.model_validate_json(value)


Moment = AwareDatetime
