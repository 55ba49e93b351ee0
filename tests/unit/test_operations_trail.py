"""The chain holds when a payload is erased, and breaks when anything else is done to it."""

from __future__ import annotations

from dataclasses import replace

from services.operations.reconciliation.domain import ChainLink, Code, check_chain
from services.operations.trail.domain import GENESIS, Entry, Link, chained_without_envelope, extend


def entries_of(*payloads: str) -> list[Entry]:
    return [
        Entry(ce_id=f"e{number}", envelope=f"envelope {number}", payload=payload.encode())
        for number, payload in enumerate(payloads)
    ]


def chain_of(*payloads: str) -> list[ChainLink]:
    entries = entries_of(*payloads)
    return [
        ChainLink(
            position=link.position,
            ce_id=link.ce_id,
            envelope=entry.envelope,
            payload=payload,
            payload_sha256=link.payload_sha256,
            chain=link.chain,
        )
        for link, entry, payload in zip(extend(None, entries), entries, payloads, strict=True)
    ]


def test_an_untouched_chain_holds() -> None:
    assert list(check_chain(chain_of("a", "b", "c"))) == []


def test_an_empty_chain_holds() -> None:
    assert list(check_chain([])) == []


def test_a_chain_written_in_two_runs_is_the_same_chain() -> None:
    entries = entries_of("a", "b")
    first = list(extend(None, entries[:1]))
    second = list(extend(first[-1], entries[1:]))
    assert first + second == list(extend(None, entries))


def test_a_changed_envelope_is_found_where_it_is() -> None:
    first, second, third = chain_of("a", "b", "c")
    (violation,) = check_chain([first, replace(second, envelope="of another"), third])
    assert (violation.code, violation.ids["position"]) == (Code.CHAIN_BROKEN, "2")


def test_a_chain_from_before_envelopes_were_part_of_it_holds_and_goes_on() -> None:
    (first,) = chain_of("a")
    old = replace(first, chain=chained_without_envelope(GENESIS, first.ce_id, first.payload_sha256))
    last = Link(position=1, ce_id=old.ce_id, payload_sha256=old.payload_sha256, chain=old.chain)
    (second,) = extend(last, entries_of("a", "b")[1:])
    new = replace(chain_of("a", "b")[1], chain=second.chain)
    assert list(check_chain([old, new])) == []
    assert [each.ids["position"] for each in check_chain([old, replace(new, envelope="of another")])] == ["2"]


def test_an_erased_payload_leaves_the_chain_whole() -> None:
    first, second, third = chain_of("a", "b", "c")
    assert list(check_chain([first, replace(second, payload=None), third])) == []


def test_a_changed_payload_is_found_where_it_is() -> None:
    first, second, third = chain_of("a", "b", "c")
    (violation,) = check_chain([first, replace(second, payload="x"), third])
    assert (violation.code, violation.ids["position"]) == (Code.CHAIN_BROKEN, "2")


def test_a_payload_changed_with_its_hash_is_found() -> None:
    first, second, third = chain_of("a", "b", "c")
    forged = replace(second, payload="x", payload_sha256=chain_of("x")[0].payload_sha256)
    assert [violation.ids["position"] for violation in check_chain([first, forged, third])] == ["2"]


def test_a_removed_event_is_found() -> None:
    first, _, third = chain_of("a", "b", "c")
    assert [violation.ids["position"] for violation in check_chain([first, third])] == ["3"]


def test_a_removed_first_event_is_found() -> None:
    assert [violation.ids["position"] for violation in check_chain(chain_of("a", "b")[1:])] == ["2"]
