"""The chain holds when a payload is erased, and breaks when anything else is done to it."""

from __future__ import annotations

from dataclasses import replace

from services.operations.reconciliation.domain import ChainLink, Code, check_chain
from services.operations.trail.domain import extend


def chain_of(*payloads: str) -> list[ChainLink]:
    links = extend(None, ((f"e{number}", payload.encode()) for number, payload in enumerate(payloads)))
    return [
        ChainLink(
            position=link.position,
            ce_id=link.ce_id,
            payload=payload,
            payload_sha256=link.payload_sha256,
            chain=link.chain,
        )
        for link, payload in zip(links, payloads, strict=True)
    ]


def test_an_untouched_chain_holds() -> None:
    assert list(check_chain(chain_of("a", "b", "c"))) == []


def test_an_empty_chain_holds() -> None:
    assert list(check_chain([])) == []


def test_a_chain_written_in_two_runs_is_the_same_chain() -> None:
    first = list(extend(None, [("e0", b"a")]))
    second = list(extend(first[-1], [("e1", b"b")]))
    assert first + second == list(extend(None, [("e0", b"a"), ("e1", b"b")]))


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
