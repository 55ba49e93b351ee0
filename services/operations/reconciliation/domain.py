"""What must be true of all services together, as pure checks over their streams.

The audit trusts nobody: receipts that clients kept, rows, objects, facts, rulings, obligations and deliveries are held
against one another. What is younger than the settling time is in flight: it is counted and is no violation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import chain, pairwise

from services.operations.trail.domain import GENESIS, chained


class Code(StrEnum):
    """What can be wrong. The words are stable: scripts and runbooks depend on them."""

    RECEIPT_FORGED = "receipt_forged"
    RECEIPT_DIFFERS = "receipt_differs"
    VERSION_MISSING = "version_missing"
    VERSION_DIFFERS = "version_differs"
    VERSION_GAP = "version_gap"
    OBJECT_MISSING = "object_missing"
    OBJECT_CORRUPT = "object_corrupt"
    OBJECT_ORPHAN = "object_orphan"
    FACT_MISSING = "fact_missing"
    FACT_DUPLICATE = "fact_duplicate"
    CHAIN_BROKEN = "chain_broken"
    RULING_MISSING = "ruling_missing"
    RULING_DUPLICATE = "ruling_duplicate"
    RULING_UNKNOWN = "ruling_unknown"
    SCRIPT_MISSING = "script_missing"
    SCRIPT_DIFFERS = "script_differs"
    HOLD_UNKNOWN = "hold_unknown"
    OBLIGATION_MISSING = "obligation_missing"
    OBLIGATION_DUPLICATE = "obligation_duplicate"
    DELIVERY_MISSING = "delivery_missing"
    DELIVERY_DUPLICATE = "delivery_duplicate"
    MESSAGE_UNKNOWN = "message_unknown"
    DEAD_LETTER = "dead_letter"
    NOT_SETTLED = "not_settled"


@dataclass(frozen=True, kw_only=True)
class Violation:
    """Something that must not be: the ids say what to look at, the detail what is wrong with it."""

    code: Code
    ids: Mapping[str, str]
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A version as its row in submission says."""

    position: str
    submission_id: str
    work_id: str
    version: int
    sha256: str
    size_bytes: int
    object_key: str
    object_version: str
    receipt_id: str
    receipt: str
    arrived_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a receipt with a good signature says; `digest` is of the receipt's own text."""

    submission_id: str
    work_id: str
    version: int
    sha256: str
    size_bytes: int
    receipt_id: str
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A fact as the outbox of its producer or the trail holds it, with what the checks need of its value."""

    ce_id: str
    name: str
    recorded_at: datetime
    work_id: str
    person_ref: str
    submission_id: str | None = None
    submitted_by: str | None = None
    tutor_ref: str | None = None
    from_tutor_ref: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """Marking's word on a version."""

    submission_id: str
    work_id: str
    version: int
    ruling: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """A work as marking has it; `waits_for` is set while it is held."""

    work_id: str
    state: str
    waits_for: str | None
    tutor_ref: str | None
    taken_submission_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Obligation:
    """Somebody must be told of an event; either a delivery has it, or it waits for something."""

    event_id: str
    person_ref: str
    purpose: str
    state: str
    waits_for: str | None
    delivery_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message and how far it is."""

    delivery_id: str
    state: str
    message_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainLink:
    """An event of the trail with what its place in the chain rests on; `payload` is None once erased."""

    position: int
    ce_id: str
    payload: str | None
    payload_sha256: str
    chain: str


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Effects of what is not younger than `cut` must all be there; with `settled`, nothing may be in flight."""

    cut: datetime
    settled: bool = False

    def in_flight(self, moment: datetime) -> bool:
        """Whether what happened at `moment` may still lack its effects."""
        return not self.settled and moment > self.cut


def digest_of(receipt: str) -> bytes:
    """Return what identifies a receipt's text."""
    return sha256(receipt.encode()).digest()


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
    names = ("submission_id", "work_id", "version", "sha256", "size_bytes", "receipt_id")
    different = [name for name in names if getattr(claim, name) != getattr(version, name)]
    if different:
        ids = {"submission_id": version.submission_id, "receipt_id": claim.receipt_id}
        detail = f"receipt and version row differ in {', '.join(different)}"
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


def object_missing(version: Version) -> Violation:
    """The object of a version is not in the store."""
    ids = {"submission_id": version.submission_id, "object_key": version.object_key}
    return Violation(code=Code.OBJECT_MISSING, ids=ids, detail="the version's object is not in the store")


def check_orphan(ids: Mapping[str, str], *, age: timedelta, kept: timedelta) -> Iterator[Violation]:
    """Bytes that no version knows are kept for a time and then cleared away, which may take another day."""
    if age > kept + timedelta(days=1):
        detail = f"no version has known this object for {age.days} days, and it was not cleared away"
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
        elif (fact.sha256, fact.size_bytes, fact.work_id) != (version.sha256, version.size_bytes, version.work_id):
            yield Violation(code=Code.VERSION_DIFFERS, ids=ids, detail="the row is not what was announced")
        announced.add(submission_id)
    for submission_id, version in versions.items():
        if submission_id not in announced and not settling.in_flight(version.arrived_at):
            ids = {"submission_id": submission_id, "work_id": version.work_id}
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail="SubmissionReceived is in no outbox and no trail")


def check_trail(facts: Iterable[Fact], written: Container[str], settling: Settling) -> Iterator[Violation]:
    """What the producers announced is `written` down in the trail."""
    for fact in facts:
        if fact.ce_id not in written and not settling.in_flight(fact.recorded_at):
            ids = {"event_id": fact.ce_id, "work_id": fact.work_id}
            yield Violation(code=Code.FACT_MISSING, ids=ids, detail=f"{fact.name} is not in the trail")


def check_rulings(
    versions: Mapping[str, Version], rulings: Iterable[Ruling], known: Mapping[str, Version], settling: Settling
) -> Iterator[Violation]:
    """Marking ruled exactly once on each version, and on nothing else."""
    ruled: Counter[str] = Counter()
    for ruling in rulings:
        ruled[ruling.submission_id] += 1
        ids = {"submission_id": ruling.submission_id, "work_id": ruling.work_id}
        version = known.get(ruling.submission_id)
        if version is None:
            yield Violation(code=Code.RULING_UNKNOWN, ids=ids, detail="a ruling on a version that does not exist")
        elif (version.work_id, version.version) != (ruling.work_id, ruling.version):
            yield Violation(code=Code.RULING_UNKNOWN, ids=ids, detail="the ruling is on another work or number")
        if ruled[ruling.submission_id] == 2:  # noqa: PLR2004 - the second is the first too many
            yield Violation(code=Code.RULING_DUPLICATE, ids=ids, detail="more than one ruling on a version")
    for submission_id, version in versions.items():
        if submission_id not in ruled and not settling.in_flight(version.arrived_at):
            ids = {"submission_id": submission_id, "work_id": version.work_id}
            yield Violation(code=Code.RULING_MISSING, ids=ids, detail="marking has not ruled on this version")


HOLD_REASONS = frozenset({"group", "tutor"})
WITH_A_TUTOR = frozenset({"allocated", "collected"})


def check_scripts(
    versions: Mapping[str, Version], scripts: Iterable[Script], known: Mapping[str, Version], settling: Settling
) -> Iterator[Violation]:
    """Each work is with a tutor or is held for a known reason, and the version taken is one of its own."""
    with_script = set()
    for script in scripts:
        with_script.add(script.work_id)
        taken = known.get(script.taken_submission_id or "")
        ids = {"work_id": script.work_id}
        if taken is None or taken.work_id != script.work_id:
            ids["taken_submission_id"] = str(script.taken_submission_id)
            yield Violation(code=Code.SCRIPT_DIFFERS, ids=ids, detail="the version taken is none of this work's")
        yield from _check_place(script)
    late = {version.work_id: version for version in versions.values() if not settling.in_flight(version.arrived_at)}
    for work_id in late.keys() - with_script:
        yield Violation(code=Code.SCRIPT_MISSING, ids={"work_id": work_id}, detail="work without a script")


def _check_place(script: Script) -> Iterator[Violation]:
    placed = script.state in WITH_A_TUTOR and script.tutor_ref
    held = script.state == "held" and script.waits_for in HOLD_REASONS
    if not placed and not held:
        detail = f"state {script.state}, tutor {script.tutor_ref}, waits for {script.waits_for}"
        yield Violation(code=Code.HOLD_UNKNOWN, ids={"work_id": script.work_id}, detail=detail)


@dataclass(frozen=True, kw_only=True, slots=True)
class Owed:
    """Somebody has a right to be told of an event, by a person and for a purpose."""

    event_id: str
    person_ref: str
    purpose: str


def owed_by(fact: Fact) -> Sequence[Owed]:
    """Whom a fact obliges us to tell, and what.

    A receipt goes to the student and to whoever handed in for the student; a version that was not taken to the
    student, and as a question to the tutor; a new script to its tutor, a moved one also to the tutor it left.
    """
    owed: Mapping[str, Sequence[tuple[str | None, str]]] = {
        "SubmissionReceived": [(fact.person_ref, "receipt"), (fact.submitted_by, "receipt")],
        "SubmissionRefused": [(fact.person_ref, "refused")],
        "ScriptAllocated": [(fact.tutor_ref, "new_script")],
        "ScriptReallocated": [(fact.tutor_ref, "new_script"), (fact.from_tutor_ref, "script_moved")],
        "VersionNotTaken": [(fact.person_ref, "version_not_taken"), (fact.tutor_ref, "version_question")],
    }
    return [
        Owed(event_id=fact.ce_id, person_ref=person_ref, purpose=purpose)
        for person_ref, purpose in dict.fromkeys(owed.get(fact.name, ()))
        if person_ref
    ]


def check_obligations(
    facts: Iterable[Fact], obligations: Iterable[Obligation], settling: Settling
) -> Iterator[Violation]:
    """Whoever is owed word of an event has exactly one obligation for it."""
    counted = Counter(
        Owed(event_id=each.event_id, person_ref=each.person_ref, purpose=each.purpose) for each in obligations
    )
    for owed, count in counted.items():
        if count > 1:
            yield Violation(code=Code.OBLIGATION_DUPLICATE, ids=_ids_of(owed), detail=f"{count} obligations for one")
    for fact in facts:
        for owed in owed_by(fact):
            if owed not in counted and not settling.in_flight(fact.recorded_at):
                detail = f"{fact.name} obliges, and nobody is to be told"
                yield Violation(code=Code.OBLIGATION_MISSING, ids=_ids_of(owed), detail=detail)


def _ids_of(owed: Owed | Obligation) -> dict[str, str]:
    return {"event_id": owed.event_id, "person_ref": owed.person_ref, "purpose": owed.purpose}


OBLIGATION_HOLDS = frozenset({"person"})
"""For what an obligation may be held; `pending` ones wait for the digest and are under way."""


def check_deliveries(
    obligations: Iterable[Obligation], deliveries: Mapping[str, Delivery], settling: Settling
) -> Iterator[Violation]:
    """Each obligation has a delivery, or a known reason for which it waits."""
    for obligation in obligations:
        held = obligation.state == "held" and obligation.waits_for in OBLIGATION_HOLDS
        pending = obligation.state == "pending"
        if obligation.delivery_id in deliveries or held or (pending and not settling.settled):
            continue
        code = Code.NOT_SETTLED if pending else Code.DELIVERY_MISSING
        detail = f"{obligation.state}, delivery {obligation.delivery_id}, waits for {obligation.waits_for}"
        yield Violation(code=code, ids=_ids_of(obligation), detail=detail)


UNDER_WAY = frozenset({"queued", "sending", "uncertain"})
DONE = frozenset({"sent", "failed", "suppressed"})


def check_delivery_state(delivery: Delivery, settling: Settling) -> Iterator[Violation]:
    """A delivery is in a known state; when all is settled, none is under way."""
    ids = {"delivery_id": delivery.delivery_id}
    if delivery.state not in UNDER_WAY | DONE:
        yield Violation(code=Code.DELIVERY_MISSING, ids=ids, detail=f"nobody knows the state {delivery.state}")
    if settling.settled and delivery.state in UNDER_WAY:
        yield Violation(code=Code.NOT_SETTLED, ids=ids, detail=f"the delivery is {delivery.state}")


def check_mail(
    deliveries: Collection[Delivery], messages: Mapping[str, int], settling: Settling
) -> Iterator[Violation]:
    """What was sent is there exactly once, and nothing else; `messages` tells how often each Message-ID was found.

    While work is under way, a message may be of a delivery that came after the deliveries were read.
    """
    for delivery in deliveries:
        found = messages.get(delivery.message_id or "", 0)
        ids = {"delivery_id": delivery.delivery_id, "message_id": str(delivery.message_id)}
        if delivery.state == "sent" and found == 0:
            yield Violation(code=Code.DELIVERY_MISSING, ids=ids, detail="it says sent and there is no message")
        if found > 1:
            yield Violation(code=Code.DELIVERY_DUPLICATE, ids=ids, detail=f"{found} messages have this id")
    if settling.settled:
        for message_id in messages.keys() - {delivery.message_id for delivery in deliveries}:
            ids = {"message_id": message_id}
            yield Violation(code=Code.MESSAGE_UNKNOWN, ids=ids, detail="somebody was told what no delivery knows of")


def check_chain(links: Iterable[ChainLink]) -> Iterator[Violation]:
    """The trail has no gap, no event was changed, and no payload but an erased one fails its hash."""
    start = ChainLink(position=0, ce_id="", payload=None, payload_sha256="", chain=GENESIS)
    for before, link in pairwise(chain((start,), links)):
        problem = _chain_problem(before, link)
        if problem:
            ids = {"position": str(link.position), "event_id": link.ce_id}
            yield Violation(code=Code.CHAIN_BROKEN, ids=ids, detail=problem)


def _chain_problem(before: ChainLink, link: ChainLink) -> str | None:
    if link.position != before.position + 1:
        return f"the event before has position {before.position}"
    if link.chain != chained(before.chain, link.ce_id, link.payload_sha256):
        return "its hash does not follow from the one before"
    if link.payload is not None and sha256(link.payload.encode()).hexdigest() != link.payload_sha256:
        return "its payload is not what was written down"
    return None


UNSETTLED_FIGURES = ("unpublished", "lag", "parked", "timers_due")
"""Figures of a service's messaging that are zero when nothing is in flight."""


def check_status(service: str, figures: Mapping[str, object], settling: Settling) -> Iterator[Violation]:
    """Nothing is buried; when all is settled, nothing waits to be published, to be read or to fire."""
    ids = {"service": service}
    if figures.get("dead_letters"):
        detail = f"{figures['dead_letters']} messages are buried"
        yield Violation(code=Code.DEAD_LETTER, ids=ids, detail=detail)
    for name in UNSETTLED_FIGURES:
        if settling.settled and figures.get(name):
            yield Violation(code=Code.NOT_SETTLED, ids=ids, detail=f"{name.replace('_', ' ')}: {figures[name]}")


@dataclass
class Report:
    """What the audit found: counts of what it saw, and violations."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing that must not be was found."""
        return not self.violations
