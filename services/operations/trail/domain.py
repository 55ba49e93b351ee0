"""The chain of the trail.

Every event is linked to the one before by a hash over the *hash* of its payload, so that a payload can be erased and
the chain still holds, while an event that is changed, removed or put in between breaks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

GENESIS = "0" * 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One place in the chain: hashes are lower-case hex of SHA-256, positions count from 1 without a gap."""

    position: int
    ce_id: str
    payload_sha256: str
    chain: str


def chained(previous: str, ce_id: str, payload_sha256: str) -> str:
    """Return the chain value that follows `previous`."""
    return sha256(f"{previous}\n{ce_id}\n{payload_sha256}".encode()).hexdigest()


def extend(last: Link | None, events: Iterable[tuple[str, bytes]]) -> Iterator[Link]:
    """Link events, given as (ce_id, payload), one after the other behind `last`."""
    position, chain = (last.position, last.chain) if last else (0, GENESIS)
    for ce_id, payload in events:
        position, payload_hash = position + 1, sha256(payload).hexdigest()
        chain = chained(chain, ce_id, payload_hash)
        yield Link(position=position, ce_id=ce_id, payload_sha256=payload_hash, chain=chain)
