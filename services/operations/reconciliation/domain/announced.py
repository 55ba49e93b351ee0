"""What was announced: outboxes and trail hold the same facts, numbered without a gap, and the trail its chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain, pairwise

from services.operations.reconciliation.domain.model import ChainLink, Code, Event, Settling, Violation
from services.operations.trail.domain import GENESIS, chained, chained_without_envelope

Key = tuple[str, str]
"""A producer and a key of its facts: what its sequence counts."""

NAMED_NUMBERS = 5
"""How many missing numbers a violation names."""


def check_written(written: Event, published: Event | None, settling: Settling) -> Iterator[Violation]:
    """What the trail wrote down is what its producer published, as long as an outbox keeps that."""
    ids = {"event_id": written.ce_id, "key": written.key}
    if published is None:
        young = written.recorded_at > settling.archived_since
        if young and not settling.in_flight(written.recorded_at):
            yield Violation(code=Code.FACT_UNKNOWN, ids=ids, detail=f"no outbox has {written.name}, the trail has it")
        return
    if written.envelope != published.envelope:
        detail = f"{written.name} has another type, key, actor, time, cause or number than its outbox says"
        yield Violation(code=Code.TRAIL_DIFFERS, ids=ids, detail=detail)
    if written.payload_digest != published.payload_digest:
        detail = f"{written.name} has another content than its outbox says"
        yield Violation(code=Code.TRAIL_DIFFERS, ids=ids, detail=detail)
    if not written.has_payload and written.name not in WITHOUT_PAYLOAD:
        detail = f"the content of {written.name} is gone from the trail, its outbox has it"
        yield Violation(code=Code.TRAIL_DIFFERS, ids=ids, detail=detail)


WITHOUT_PAYLOAD = frozenset({"PersonRecorded", "PersonErased"})
"""Facts about persons, of which the trail keeps the hash only."""


def check_unwritten(published: Iterable[Event], settling: Settling) -> Iterator[Violation]:
    """Of what was published and is not in the trail, all is in flight."""
    for event in published:
        if not settling.in_flight(event.recorded_at):
            ids = {"event_id": event.ce_id, "key": event.key}
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail=f"{event.name} is not in the trail")


def check_sequences(
    numbers: Mapping[Key, Sequence[int]], counters: Mapping[Key, int], settling: Settling
) -> Iterator[Violation]:
    """The facts of each key are numbered 1, 2, … without a gap, as far as their producer counted.

    The `counters` were read before the facts: a fact may be newer, but when all is settled none is.
    """
    for key in numbers.keys() | counters.keys():
        found, counted = numbers.get(key, ()), counters.get(key, 0)
        last = max(counted, *found) if found else counted
        if len(found) == last and sorted(found) == list(range(1, last + 1)):
            if settling.settled and counted != last:
                detail = f"{last} facts were said and the producer counted {counted}, so that numbers would come again"
                yield Violation(code=Code.STATE_DIFFERS, ids=_ids_of(key), detail=detail)
            continue
        yield from _sequence_problems(key, found, last)


def _sequence_problems(key: Key, found: Sequence[int], last: int) -> Iterator[Violation]:
    distinct = set(found)
    if len(distinct) < len(found):
        yield Violation(code=Code.FACT_DUPLICATE, ids=_ids_of(key), detail="two facts have the same number")
    missing = last - sum(1 <= number <= last for number in distinct)
    if missing:
        gaps = (number for number in range(1, last + 1) if number not in distinct)
        named = ", ".join(str(number) for number, _ in zip(gaps, range(NAMED_NUMBERS), strict=False))
        detail = f"of {last} facts {missing} are in no outbox and no trail, such as number {named}"
        yield Violation(code=Code.FACT_MISSING, ids=_ids_of(key), detail=detail)


def _ids_of(key: Key) -> dict[str, str]:
    return {"producer": key[0], "key": key[1]}


def check_chain(links: Iterable[ChainLink]) -> Iterator[Violation]:
    """The trail has no gap, no event was changed, and no payload but an erased one fails its hash."""
    start = ChainLink(position=0, ce_id="", envelope="", payload=None, payload_sha256="", chain=GENESIS)
    for before, link in pairwise(chain((start,), links)):
        problem = _chain_problem(before, link)
        if problem:
            ids = {"position": str(link.position), "event_id": link.ce_id}
            yield Violation(code=Code.CHAIN_BROKEN, ids=ids, detail=problem)


def _chain_problem(before: ChainLink, link: ChainLink) -> str | None:
    if link.position != before.position + 1:
        return f"the event before has position {before.position}"
    if link.chain not in _chains(before, link):
        return "its hash does not follow from the one before"
    if link.payload is not None and sha256(link.payload.encode()).hexdigest() != link.payload_sha256:
        return "its payload is not what was written down"
    return None


def _chains(before: ChainLink, link: ChainLink) -> Iterator[str]:
    yield chained(before.chain, link.ce_id, link.payload_sha256, link.envelope)
    yield chained_without_envelope(before.chain, link.ce_id, link.payload_sha256)
