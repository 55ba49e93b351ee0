"""Reads the services' inspection streams page by page, into the rows that the checks know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.operations.reconciliation.domain import (
    ChainLink,
    Claim,
    Delivery,
    Fact,
    Obligation,
    Ruling,
    Script,
    Version,
    digest_of,
)
from shared.errors import Unavailable
from shared.inspection import Inspection

T = TypeVar("T")

PAGE = 1000
WATCHED = frozenset(
    {"SubmissionReceived", "SubmissionRefused", "ScriptAllocated", "ScriptReallocated", "VersionNotTaken"}
)
"""The facts from which the audit concludes; of others only the chain is checked."""

VERSION = TypeAdapter(Version)
RULING = TypeAdapter(Ruling)
SCRIPT = TypeAdapter(Script)
OBLIGATION = TypeAdapter(Obligation)
DELIVERY = TypeAdapter(Delivery)
LINK = TypeAdapter(ChainLink)
FACT = TypeAdapter(Fact)
CLAIM = TypeAdapter(Claim)
SAID = TypeAdapter(dict[str, Any])


class Unreadable(Unavailable):
    """A stream that the audit needs cannot be read, so that nothing can be said."""

    code = "audit_unreadable"
    title = "The audit could not read everything"


def rows(inspection: Inspection, kind: str, *, after: str = "") -> Iterator[Mapping[str, Any]]:
    """Return all rows of a stream behind `after`; raises `Unavailable` when the service cannot be read."""
    while page := inspection.facts(kind, after=after, limit=PAGE):
        yield from page
        after = str(page[-1]["position"])


def read(inspection: Inspection, kind: str, shape: TypeAdapter[T], *, after: str = "") -> Iterator[T]:
    """Return all rows of a stream in their shape; raises `Unreadable` when a row does not fit."""
    for row in rows(inspection, kind, after=after):
        try:
            yield shape.validate_python(row)
        except ValidationError as error:
            message = f"row {row.get('position')} of {kind} does not have the shape agreed: {error.errors()[0]['loc']}"
            raise Unreadable(message) from error


def published(inspection: Inspection) -> Iterator[Fact]:
    """Return the watched facts of a service's outbox."""
    for row in rows(inspection, "outbox"):
        fact = watched(row, row["recorded_at"], row["value"])
        if fact:
            yield fact


def watched(row: Mapping[str, Any], moment: object, value: str | None) -> Fact | None:
    """Return what the checks need of a fact; None for one that they do not look at, or whose value is gone.

    A value that cannot be read is like no value: the other holder of the fact has it, or it is missing.
    """
    name = name_of(str(row["type"]))
    if name not in WATCHED or value is None:
        return None
    try:
        said = SAID.validate_json(value)
        return FACT.validate_python({**said, "ce_id": row["ce_id"], "name": name, "recorded_at": moment})
    except ValidationError:
        return None


def name_of(ce_type: str) -> str:
    """Return a fact's own name, without producer and version."""
    return ce_type.split(".")[-2] if "." in ce_type else ce_type


def claim_of(receipt: str, claims: Mapping[str, Any]) -> Claim:
    """Return what the checks need of a receipt's claims; raises `ValueError` when one is missing or of another kind."""
    return CLAIM.validate_python(
        {**claims, "work_id": claims.get("work"), "receipt_id": claims.get("jti"), "digest": digest_of(receipt)}
    )
