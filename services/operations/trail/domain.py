"""The chain of the trail.

Every event is linked to the one before by a hash over its envelope and the *hash* of its payload, so that a payload can
be erased and the chain still holds, while an event that is changed, removed or put in between breaks it. Links of the
first trails leave the envelope out; `chained_without_envelope` is their rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

GENESIS = "0" * 64
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One place in the chain: hashes are lower-case hex of SHA-256, positions count from 1 without a gap."""

    position: int
    ce_id: str
    payload_sha256: str
    chain: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An event to be linked; `envelope` is what `envelope_text` makes of it."""

    ce_id: str
    envelope: str
    payload: bytes


def is_sha256(text: str) -> bool:
    """Whether it is a SHA-256 in full, in hexadecimal, as receipts show that of a file."""
    return _SHA256.fullmatch(text) is not None


def envelope_text(
    *,
    ce_type: str,
    topic: str,
    key: str,
    sequence: int,
    occurred_at: datetime,
    actor: str | None,
    correlation_id: str | None,
    causation_id: str | None,
) -> str:
    """Return all of an event's envelope but its id as one text, the same for the same envelope."""
    moment = occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
    return json.dumps([ce_type, topic, key, sequence, moment, actor, correlation_id, causation_id])


def chained(previous: str, ce_id: str, payload_sha256: str, envelope: str) -> str:
    """Return the chain value that follows `previous`."""
    return sha256(f"{previous}\n{ce_id}\n{payload_sha256}\n{envelope}".encode()).hexdigest()


def chained_without_envelope(previous: str, ce_id: str, payload_sha256: str) -> str:
    """Return the chain value as it was made before envelopes were part of it."""
    return sha256(f"{previous}\n{ce_id}\n{payload_sha256}".encode()).hexdigest()


def extend(last: Link | None, entries: Iterable[Entry]) -> Iterator[Link]:
    """Link events one after the other behind `last`."""
    position, chain = (last.position, last.chain) if last else (0, GENESIS)
    for entry in entries:
        position, payload_hash = position + 1, sha256(entry.payload).hexdigest()
        chain = chained(chain, entry.ce_id, payload_hash, entry.envelope)
        yield Link(position=position, ce_id=entry.ce_id, payload_sha256=payload_hash, chain=chain)
