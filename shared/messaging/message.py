"""The envelope of a fact: CloudEvents 1.0, binary mode, attributes as `ce_*` headers and a JSON value.

An empty value is a tombstone: on a broker it is no value at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from pydantic import ValidationError

from shared.contracts import FACTS, Fact
from shared.errors import Rejected


class NotAFact(Rejected):
    """The bytes are not what their type promises, or are no CloudEvent at all."""

    code = "not_a_fact"
    title = "The message cannot be read"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One fact on its way. `sequence` counts the facts of one source and key without gaps, from 1."""

    id: str
    type: str
    source: str
    topic: str
    key: str
    time: datetime
    sequence: int
    correlation_id: str
    causation_id: str | None
    actor: str
    traceparent: str | None = None
    value: bytes

    def fact(self) -> Fact:
        """The fact inside; raises `NotAFact` when the value does not fit the type."""
        try:
            return FACTS[self.type].read(self.key, self.value)
        except ValidationError as error:
            fields = ", ".join(sorted({".".join(map(str, item["loc"])) or "value" for item in error.errors()}))
            detail = f"{self.type} does not fit its contract in: {fields}"
            raise NotAFact(detail) from error

    def headers(self) -> dict[str, str]:
        """The CloudEvents attributes as text headers; absent optional ones are left out."""
        headers = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_type": self.type,
            "ce_source": f"/etma/{self.source}",
            "ce_time": self.time.isoformat(),
            "ce_partitionkey": self.key,
            "ce_sequence": str(self.sequence),
            "ce_correlationid": self.correlation_id,
            "ce_actor": self.actor,
            "content-type": "application/json",
        }
        optional = {"ce_causationid": self.causation_id, "ce_traceparent": self.traceparent}
        return headers | {name: value for name, value in optional.items() if value is not None}

    @classmethod
    def from_parts(cls, *, topic: str, key: str, headers: Mapping[str, str], value: bytes) -> Self:
        """Read what `headers` wrote; raises `NotAFact` when an attribute is absent or malformed."""
        try:
            return cls(
                id=headers["ce_id"],
                type=headers["ce_type"],
                source=headers["ce_source"].removeprefix("/etma/"),
                topic=topic,
                key=key,
                time=datetime.fromisoformat(headers["ce_time"]),
                sequence=int(headers["ce_sequence"]),
                correlation_id=headers["ce_correlationid"],
                causation_id=headers.get("ce_causationid"),
                actor=headers["ce_actor"],
                traceparent=headers.get("ce_traceparent"),
                value=value,
            )
        except (KeyError, ValueError) as error:
            detail = f"not a CloudEvent of ours: {error!r}"
            raise NotAFact(detail) from error
