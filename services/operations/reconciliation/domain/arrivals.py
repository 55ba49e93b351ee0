"""What came in: receipts, versions, refusals and objects say the same of each other and of what was announced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import timedelta

from services.operations.reconciliation.domain.model import (
    Claim,
    Code,
    Fact,
    Refusal,
    Settling,
    Version,
    Violation,
    digest_of,
)
from shared.contracts import work_id_of

CLAIMED = (
    "submission_id",
    "work_id",
    "version",
    "assignment_id",
    "person_ref",
    "submitted_by",
    "sha256",
    "size_bytes",
    "band",
    "upload_started_at",
    "arrived_at",
    "cut_off_at",
    "receipt_id",
)
"""What a receipt says of its version."""

ANNOUNCED = (*CLAIMED, "presentation_id", "channel", "media_type", "object_key", "object_version", "cut_off_revision")
"""What SubmissionReceived says of its version."""

REFUSED = ("work_id", "assignment_id", "person_ref", "submitted_by", "reason", "refused_at")
"""What SubmissionRefused says of its refusal."""


def differing(one: object, other: object, names: Iterable[str]) -> str:
    """Return the names of the fields in which two things differ, as words; empty when they are alike."""
    return ", ".join(name for name in names if getattr(one, name) != getattr(other, name))


def check_receipt(claim: Claim, version: Version | None) -> Iterator[Violation]:
    """A receipt that a client kept has a version row that says the same."""
    ids = {"submission_id": claim.submission_id, "receipt_id": claim.receipt_id}
    if version is None:
        yield Violation(code=Code.VERSION_MISSING, ids=ids, detail="a receipt was given and there is no version")
        return
    yield from check_claim(claim, version)
    if claim.digest != digest_of(version.receipt):
        yield Violation(code=Code.RECEIPT_DIFFERS, ids=ids, detail="the stored receipt is not the one the client has")


def check_claim(claim: Claim, version: Version) -> Iterator[Violation]:
    """What a receipt says is what the version row says."""
    different = differing(claim, version, CLAIMED)
    if different:
        ids = {"submission_id": version.submission_id, "receipt_id": claim.receipt_id}
        yield Violation(code=Code.VERSION_DIFFERS, ids=ids, detail=f"receipt and version row differ in {different}")


def check_work(version: Version) -> Iterator[Violation]:
    """A version belongs to the work of its student on its assignment."""
    if version.work_id != work_id_of(version.assignment_id, version.person_ref):
        ids = {"submission_id": version.submission_id, "work_id": version.work_id}
        detail = "the work is not that of this person on this assignment"
        yield Violation(code=Code.VERSION_DIFFERS, ids=ids, detail=detail)


def check_numbers(versions: Iterable[Version]) -> Iterator[Violation]:
    """The versions of a work are numbered 1, 2, … without a gap."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for version in versions:
        numbers[version.work_id].append(version.version)
    for work_id, found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            listed = ", ".join(map(str, sorted(found)))
            yield Violation(code=Code.VERSION_GAP, ids={"work_id": work_id}, detail=f"the versions are {listed}")


def check_objects_there(without: Iterable[Version], erased: Container[str]) -> Iterator[Violation]:
    """No version is without its object but those of persons who were erased."""
    for version in without:
        if version.person_ref not in erased:
            ids = {"submission_id": version.submission_id, "object_key": version.object_key}
            yield Violation(code=Code.OBJECT_MISSING, ids=ids, detail="the version's object is not in the store")


def check_orphan(ids: Mapping[str, str], *, noted_for: timedelta, kept: timedelta) -> Iterator[Violation]:
    """Bytes that no version knows are noted, kept for a time and then cleared away, which may take two days more."""
    if noted_for > kept + timedelta(days=2):
        detail = f"it has been noted for {noted_for.days} days that no version knows it, and it was not cleared away"
        yield Violation(code=Code.OBJECT_ORPHAN, ids=ids, detail=detail)


def check_content(version: Version, *, digest: str, size_bytes: int) -> Iterator[Violation]:
    """The object of a version has the content that the version row promises."""
    if (digest, size_bytes) != (version.sha256, version.size_bytes):
        ids = {"submission_id": version.submission_id, "object_key": version.object_key}
        detail = f"the object has {size_bytes} bytes and SHA-256 {digest}, the row says otherwise"
        yield Violation(code=Code.OBJECT_CORRUPT, ids=ids, detail=detail)


def check_arrivals(
    versions: Mapping[str, Version], facts: Iterable[Fact], known: Mapping[str, Version], settling: Settling
) -> Iterator[Violation]:
    """Each version was announced once and as it is, and nothing was announced that is not there.

    `versions` were read before the facts, `known` also has what came since.
    """
    announced: set[str] = set()
    for fact in facts:
        submission_id = fact.submission_id or ""
        ids = {"submission_id": submission_id, "event_id": fact.ce_id}
        version = known.get(submission_id)
        if submission_id in announced:
            yield Violation(code=Code.FACT_DUPLICATE, ids=ids, detail="a version was announced by two events")
        elif version is None:
            yield Violation(code=Code.VERSION_MISSING, ids=ids, detail="a version was announced that has no row")
        elif different := differing(fact, version, ANNOUNCED):
            detail = f"the row is not what was announced: {different}"
            yield Violation(code=Code.VERSION_DIFFERS, ids=ids, detail=detail)
        announced.add(submission_id)
    for submission_id, version in versions.items():
        if submission_id not in announced and not settling.in_flight(version.arrived_at):
            ids = {"submission_id": submission_id, "work_id": version.work_id}
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail="SubmissionReceived is in no outbox and no trail")


def check_refusals(refusals: Mapping[str, Refusal], facts: Iterable[Fact], settling: Settling) -> Iterator[Violation]:
    """Each refusal was announced as it is, and none was announced that is not there.

    `refusals` were read before the facts, so that the row of a young fact may not have been seen.
    """
    announced: set[str] = set()
    for fact in facts:
        refusal_id = fact.refusal_id or ""
        announced.add(refusal_id)
        ids = {"refusal_id": refusal_id, "event_id": fact.ce_id}
        refusal = refusals.get(refusal_id)
        if refusal is None and not settling.in_flight(fact.recorded_at):
            yield Violation(code=Code.REFUSAL_MISSING, ids=ids, detail="a refusal was announced that has no row")
        elif refusal and (different := differing(fact, refusal, REFUSED)):
            detail = f"the row is not what was announced: {different}"
            yield Violation(code=Code.REFUSAL_DIFFERS, ids=ids, detail=detail)
    for refusal_id in refusals.keys() - announced:
        if not settling.in_flight(refusals[refusal_id].refused_at):
            ids = {"refusal_id": refusal_id, "work_id": refusals[refusal_id].work_id}
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail="SubmissionRefused is in no outbox and no trail")
