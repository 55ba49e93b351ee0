"""Who was told: each fact obliges, each obligation is in a message of its person, and each message went out as said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.operations.reconciliation.domain.model import (
    Code,
    Delivery,
    Fact,
    Obligation,
    Settling,
    Told,
    Violation,
    content_of,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Owed:
    """Somebody has a right to be told of an event, by a person and for a purpose."""

    event_id: str
    person_ref: str
    purpose: str


def owed_by(fact: Fact) -> Sequence[Owed]:
    """Whom a fact obliges us to tell, and what.

    A receipt goes to the student and to whoever handed in for the student; word of a refusal, or of an upload that
    nobody handed in, and a corrected ruling on lateness, to the student; malware to the student and operations staff,
    and to the tutor who has it; a version that was not taken to the student,
    and as a question to the tutor; the tutor's choice to the student; a new script to its tutor, a moved or held one
    also to the tutor it left. Of a request, each side is told what the other one did, and student support what it may
    answer.
    """
    owed: Mapping[str, Sequence[tuple[str | None, str]]] = {
        "SubmissionReceived": [(fact.person_ref, "receipt"), (fact.submitted_by, "receipt")],
        "SubmissionRefused": [(fact.person_ref, "refused")],
        "UploadLapsed": [(fact.person_ref, "upload_lapsed")],
        "LatenessCorrected": [(fact.person_ref, "lateness_corrected")],
        "ScriptHeld": [(fact.from_tutor_ref, "script_moved")],
        "ScriptAllocated": [(fact.tutor_ref, "new_script")],
        "ScriptReallocated": [(fact.tutor_ref, "new_script"), (fact.from_tutor_ref, "script_moved")],
        "VersionNotTaken": [(fact.person_ref, "version_not_taken"), (fact.tutor_ref, "version_question")],
        "LaterVersionTaken": [(fact.person_ref, "later_version_taken")],
        "LaterVersionDeclined": [(fact.person_ref, "later_version_declined")],
        "SubmissionScanned": _of_scan(fact),
        "RequestProposed": [(fact.tutor_ref, "request_made")],
        "RequestCountered": [_of_counter(fact)],
        "RequestAgreed": [(fact.person_ref, "request_agreed"), (fact.tutor_ref, "request_agreed")],
        "RequestDeclined": [(_other_side(fact), "request_declined")],
        "RequestWithdrawn": [(fact.tutor_ref, "request_withdrawn")],
        "RequestLapsed": [(fact.person_ref, "request_lapsed"), (fact.tutor_ref, "request_lapsed")],
        "RequestEscalated": [(SUPPORT, "request_for_support"), (fact.person_ref, "request_escalated")],
        "RequestReminded": [_of_reminder(fact)],
        "RequestMoved": [(fact.tutor_ref, "request_made"), (fact.from_tutor_ref, "request_moved")],
        "CollectedVersionScanned": [(fact.tutor_ref, TO_TUTORS[fact.outcome])] if fact.outcome in TO_TUTORS else [],
    }
    return [
        Owed(event_id=fact.ce_id, person_ref=person_ref, purpose=purpose)
        for person_ref, purpose in dict.fromkeys(owed.get(fact.name, ()))
        if person_ref
    ]


OPERATIONS = "operations"
"""Whom the notifier calls so who are operations staff."""

SUPPORT = "support"
"""And so student support."""

TO_TUTORS: Mapping[str | None, str] = {"blocked": "do_not_open", "clean": "may_open"}


def _of_scan(fact: Fact) -> Sequence[tuple[str | None, str]]:
    if fact.outcome == "blocked":
        return [(fact.person_ref, "malware_found"), (OPERATIONS, "work_blocked")]
    if fact.outcome == "unscannable":
        return [(OPERATIONS, "work_unscannable")]
    return [(fact.person_ref, "malware_cleared")] if fact.outcome_before == "blocked" else []


def _other_side(fact: Fact) -> str | None:
    return fact.tutor_ref if fact.by == "student" else fact.person_ref


def _of_counter(fact: Fact) -> tuple[str | None, str]:
    """Support answers a student whom no tutor has."""
    told = _other_side(fact)
    return (told, "request_countered") if told else (SUPPORT, "request_for_support")


def _of_reminder(fact: Fact) -> tuple[str | None, str]:
    if fact.party == "support":
        return SUPPORT, "request_for_support"
    return (fact.person_ref if fact.party == "student" else fact.tutor_ref), "request_reminder"


def check_obligations(
    facts: Mapping[str, Fact], obligations: Sequence[Obligation], settling: Settling
) -> Iterator[Violation]:
    """Whoever is owed word of an event has exactly one obligation for it, and nobody one for what never was.

    The obligations were read after the facts: of a young one the fact may not have been seen.
    """
    counted = Counter(
        Owed(event_id=each.event_id, person_ref=each.person_ref, purpose=each.purpose) for each in obligations
    )
    for owed, count in counted.items():
        if count > 1:
            yield Violation(code=Code.OBLIGATION_DUPLICATE, ids=_ids_of(owed), detail=f"{count} obligations for one")
    for fact in facts.values():
        for owed in owed_by(fact):
            if owed not in counted and not settling.in_flight(fact.recorded_at):
                detail = f"{fact.name} obliges, and nobody is to be told"
                yield Violation(code=Code.OBLIGATION_MISSING, ids=_ids_of(owed), detail=detail)
    for obligation in obligations:
        if not settling.in_flight(obligation.created_at) and not _has_cause(obligation, facts):
            detail = "no fact that is known obliges to tell this person this about this work"
            yield Violation(code=Code.OBLIGATION_UNKNOWN, ids=_ids_of(obligation), detail=detail)


def _has_cause(obligation: Obligation, facts: Mapping[str, Fact]) -> bool:
    fact = facts.get(obligation.event_id)
    return (
        fact is not None
        and fact.work_id == obligation.work_id
        and any(
            (owed.person_ref, owed.purpose) == (obligation.person_ref, obligation.purpose) for owed in owed_by(fact)
        )
    )


def _ids_of(owed: Owed | Obligation) -> dict[str, str]:
    return {"event_id": owed.event_id, "person_ref": owed.person_ref, "purpose": owed.purpose}


OBLIGATION_HOLDS = frozenset({"person"})
"""For what an obligation may be held; `pending` ones wait for a digest."""


def check_waiting(
    obligations: Iterable[Obligation],
    deliveries: Mapping[str, Delivery],
    persons: Container[str],
    settling: Settling,
) -> Iterator[Violation]:
    """Each obligation has a delivery to its person, or waits for a digest to come or a person yet unknown.

    `persons` are those whom the notifier knows; they were read before the obligations.
    """
    for obligation in obligations:
        problem = _waiting_problem(obligation, deliveries.get(obligation.delivery_id or ""), persons, settling)
        if problem:
            code, detail = problem
            yield Violation(code=code, ids=_ids_of(obligation), detail=detail)


def _waiting_problem(
    obligation: Obligation, delivery: Delivery | None, persons: Container[str], settling: Settling
) -> tuple[Code, str] | None:
    if delivery is not None:
        return _delivery_problem(obligation, delivery)
    if obligation.state == "pending":
        return _pending_problem(obligation, settling)
    if obligation.state == "held" and obligation.waits_for in OBLIGATION_HOLDS:
        known = obligation.person_ref in persons
        return (Code.DELIVERY_MISSING, "it waits for a person who is known") if known else None
    detail = f"{obligation.state}, delivery {obligation.delivery_id}, waits for {obligation.waits_for}"
    return Code.DELIVERY_MISSING, detail


MAY_WAIT = frozenset(
    {
        "version_not_taken",
        "version_question",
        "later_version_taken",
        "later_version_declined",
        "lateness_corrected",
        "new_script",
        "script_moved",
        "request_escalated",
        "request_withdrawn",
        "request_moved",
    }
)
"""What a person may choose to be told of once a day, or under Messages alone; all else is mailed at once."""

INBOX_ONLY = "inbox_only"
DAILY = "daily"


def _delivery_problem(obligation: Obligation, delivery: Delivery) -> tuple[Code, str] | None:
    if delivery.person_ref != obligation.person_ref:
        return Code.DELIVERY_DIFFERS, f"its delivery {delivery.delivery_id} is to another person"
    if delivery.state == "suppressed" and delivery.reason == INBOX_ONLY and obligation.purpose not in MAY_WAIT:
        return Code.DELIVERY_DIFFERS, f"its delivery {delivery.delivery_id} is not mailed, and it cannot wait"
    return None


def _pending_problem(obligation: Obligation, settling: Settling) -> tuple[Code, str] | None:
    """Who chose the daily digest may wait until it is due, also when all else is settled."""
    since = obligation.created_at.isoformat()
    if obligation.purpose not in MAY_WAIT:
        return Code.DELIVERY_OVERDUE, f"it has waited for a digest since {since}, and cannot wait"
    if obligation.way == DAILY and obligation.waits_until is not None:
        return _daily_problem(obligation.waits_until, settling)
    if settling.settled:
        return Code.NOT_SETTLED, "it waits for a digest"
    if obligation.created_at < settling.gathered_by:
        return Code.DELIVERY_OVERDUE, f"it has waited for a digest since {since}"
    return None


def _daily_problem(due_at: datetime, settling: Settling) -> tuple[Code, str] | None:
    if settling.cut < due_at <= settling.next_day_by:
        return None
    return Code.DELIVERY_OVERDUE, f"it waits for a daily digest that is due {due_at.isoformat()}"


UNDER_WAY = frozenset({"queued", "sending", "uncertain"})
DONE = frozenset({"sent", "failed", "suppressed"})
SUPPRESS_REASONS = frozenset({"no_address", INBOX_ONLY})
"""Why nothing is mailed, so that the inbox alone has it."""


def check_delivery_state(delivery: Delivery, settling: Settling) -> Iterator[Violation]:
    """A delivery is in a known state, suppressed for a known reason, not failed, and not under way for too long."""
    ids = {"delivery_id": delivery.delivery_id, "person_ref": delivery.person_ref}
    if delivery.state not in UNDER_WAY | DONE:
        yield Violation(code=Code.DELIVERY_MISSING, ids=ids, detail=f"nobody knows the state {delivery.state}")
    if delivery.state == "suppressed" and delivery.reason not in SUPPRESS_REASONS:
        yield Violation(code=Code.DELIVERY_MISSING, ids=ids, detail=f"suppressed because of {delivery.reason!r}")
    if delivery.state == "failed":
        detail = f"this person was not told, because of {delivery.reason!r}"
        yield Violation(code=Code.DELIVERY_FAILED, ids=ids, detail=detail)
    if delivery.state in UNDER_WAY:
        yield from _under_way(delivery, ids, settling)


def _under_way(delivery: Delivery, ids: Mapping[str, str], settling: Settling) -> Iterator[Violation]:
    if settling.settled:
        yield Violation(code=Code.NOT_SETTLED, ids=ids, detail=f"the delivery is {delivery.state}")
    elif (since := delivery.resent_at or delivery.created_at) < settling.sent_by:
        detail = f"{delivery.state} since {since.isoformat()}"
        yield Violation(code=Code.DELIVERY_OVERDUE, ids=ids, detail=detail)


FINAL_FACTS: Mapping[str, str] = {"sent": "DeliverySent", "failed": "DeliveryFailed"}
"""What is said of a delivery that came to this state."""


def check_told(
    obligations: Iterable[Obligation],
    deliveries: Mapping[str, Delivery],
    told: Mapping[str, Told],
    settling: Settling,
) -> Iterator[Violation]:
    """What was said last of each delivery is how it is, and that it told what its obligations are.

    The deliveries were read after the facts and the obligations: what changed just now may have been said since.
    """
    owed: defaultdict[str, list[Obligation]] = defaultdict(list)
    for obligation in obligations:
        owed[obligation.delivery_id or ""].append(obligation)
    for delivery in deliveries.values():
        if settling.in_flight(delivery.finished_at or delivery.created_at):
            continue
        said = told.get(delivery.delivery_id)
        detail = _telling_problem(delivery, said, owed[delivery.delivery_id])
        if detail:
            ids = {"delivery_id": delivery.delivery_id, "person_ref": delivery.person_ref}
            code = Code.DELIVERY_DIFFERS if said or delivery.state not in FINAL_FACTS else Code.FACT_MISSING
            yield Violation(code=code, ids=ids, detail=detail)
    for delivery_id in told.keys() - deliveries.keys():
        if not settling.in_flight(told[delivery_id].recorded_at):
            ids = {"delivery_id": delivery_id}
            yield Violation(code=Code.DELIVERY_MISSING, ids=ids, detail=f"{told[delivery_id].name} without a delivery")


def _telling_problem(delivery: Delivery, said: Told | None, owed: Sequence[Obligation]) -> str | None:
    expected = FINAL_FACTS.get(delivery.state)
    if said is None:
        return f"it is {delivery.state}, and nothing says so" if expected else _without_cause(owed)
    if expected != said.name and (expected or said.name == "DeliverySent"):
        return f"it is {delivery.state}, and the last that was said is {said.name}"
    purposes, work_ids = sorted({each.purpose for each in owed}), sorted({each.work_id for each in owed})
    if said.content != content_of(delivery.person_ref, purposes, work_ids):
        return f"{said.name} says that another person was told, or something else"
    return None


def _without_cause(owed: Sequence[Obligation]) -> str | None:
    return None if owed else "it tells nothing that anybody is owed"


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
