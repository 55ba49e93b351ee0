"""What a kind of finding means and what to do about it, for operations staff; docs/operations.md has more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.operations.reconciliation.domain.model import Code

_BYTES = "Look for the bytes in a backup of the object store, and ask the student to keep their receipt and their file."
_ROW = "Compare with a backup of this service's database. Change nothing by hand before: the trail says what was so."
_TRAIL = "Compare the trail with a backup of the database of operations, and find out who could write to it."
_AGAIN = "Look again after a few minutes. If it stays, see whether the service's relay and worker run, and their log."
_FAULT = (
    "It is a fault of the programs, or somebody changed a row by hand: keep the databases as they are and report it."
)
_MAIL = "See under Deliveries how the message stands, and tell the person by other means if it is urgent."


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A title, what it means, what to do; `page` is where to do it, "" for nowhere."""

    title: str
    means: str
    do: str
    page: str = ""


def kind_of(code: str) -> Kind:
    """Of a finding; one that an older or newer version made is told by its code."""
    if code in KINDS:
        return KINDS[Code(code)]
    return Kind(
        title=code.replace("_", " ").capitalize(), means="This version knows no such finding.", do="Look again."
    )


KINDS: Mapping[Code, Kind] = {
    Code.RECEIPT_FORGED: Kind(
        title="Receipt not signed by us",
        means="The receipt that is stored with a version does not have our signature.",
        do=_ROW,
    ),
    Code.RECEIPT_DIFFERS: Kind(
        title="Another receipt than the student's",
        means="The receipt stored with a version is another one than the student was given.",
        do=_ROW,
    ),
    Code.VERSION_MISSING: Kind(
        title="Version is gone",
        means="A version was announced, or a receipt was given for it, and there is no row of it.",
        do=_ROW,
    ),
    Code.VERSION_DIFFERS: Kind(
        title="Version differs",
        means="The row of a version says something else than its receipt or what was announced of it.",
        do=_ROW,
    ),
    Code.VERSION_GAP: Kind(
        title="Versions are not numbered in order",
        means="The versions of a piece of work are not numbered 1, 2 and so on: one may be gone.",
        do=_ROW,
    ),
    Code.REFUSAL_MISSING: Kind(
        title="Refusal is gone", means="A refusal was announced and there is no row of it.", do=_ROW
    ),
    Code.REFUSAL_DIFFERS: Kind(
        title="Refusal differs", means="The row of a refusal says something else than was announced.", do=_ROW
    ),
    Code.OBJECT_MISSING: Kind(
        title="File is gone",
        means="The bytes of a version are not in the object store, though its person was not erased.",
        do=_BYTES,
    ),
    Code.OBJECT_CORRUPT: Kind(
        title="File was changed",
        means="The bytes of a version are not those that came in: their hash or size is another.",
        do=_BYTES,
    ),
    Code.OBJECT_ORPHAN: Kind(
        title="File that belongs to nothing",
        means="Bytes that no version knows were not cleared away after a month.",
        do="If a database was restored from a backup, they may be the only copy of work: delete nothing before.",
    ),
    Code.FACT_MISSING: Kind(
        title="Something was never announced",
        means="What a service did is in no outbox and no trail, or a number is missing among the facts of a key.",
        do=_AGAIN,
    ),
    Code.FACT_DUPLICATE: Kind(
        title="Something was announced twice",
        means="A version, a ruling or a choice was announced by two facts, or two facts have the same number.",
        do=_FAULT,
    ),
    Code.FACT_UNKNOWN: Kind(
        title="Fact that nobody said",
        means="The trail has a fact that the outbox of its producer does not have.",
        do=_TRAIL,
    ),
    Code.TRAIL_DIFFERS: Kind(
        title="Trail differs",
        means="The trail has a fact otherwise than it was published, or has lost its content.",
        do=_TRAIL,
    ),
    Code.CHAIN_BROKEN: Kind(
        title="Trail was tampered with",
        means="An event of the trail was changed, removed or put in between.",
        do=_TRAIL,
    ),
    Code.RULING_MISSING: Kind(
        title="Version without a ruling", means="Marking has not ruled on a version that came in.", do=_AGAIN
    ),
    Code.RULING_DUPLICATE: Kind(
        title="Two rulings on one version", means="Marking ruled on a version more than once.", do=_FAULT
    ),
    Code.RULING_UNKNOWN: Kind(
        title="Ruling on nothing",
        means="There is a ruling on a version that does not exist, or on another work than the version's.",
        do=_FAULT,
    ),
    Code.RULING_DIFFERS: Kind(
        title="Ruling differs",
        means="A ruling names another file, arrival or lateness than its version, or is not what was announced: the "
        "tutor may get another file.",
        do=_ROW,
    ),
    Code.SCRIPT_MISSING: Kind(
        title="Work without a script", means="Work that was handed in has not come to anybody who marks it.", do=_AGAIN
    ),
    Code.SCRIPT_DIFFERS: Kind(
        title="Script differs",
        means="A script has another student, version, tutor or state than its version or what was announced last.",
        do=_ROW,
    ),
    Code.HOLD_UNKNOWN: Kind(
        title="Waits for nothing that is known",
        means="A script is neither with a tutor nor held for a known reason, or a version neither scanned nor waiting.",
        do=_FAULT,
    ),
    Code.QUESTION_MISSING: Kind(
        title="Tutor was not asked",
        means="A version came after collection and its tutor is not asked whether to take it.",
        do=_AGAIN,
    ),
    Code.QUESTION_DIFFERS: Kind(
        title="Question differs",
        means="A question to a tutor fits no version, went to another tutor, or was answered otherwise than announced.",
        do=_FAULT,
    ),
    Code.SCAN_UNKNOWN: Kind(
        title="Scan of nothing",
        means="There is a scan for malware of a version that does not exist, or a result of none.",
        do=_FAULT,
    ),
    Code.SCAN_DIFFERS: Kind(
        title="Scan differs",
        means="A scan for malware has another result than was said last, or marking goes by another one.",
        do="Have the version scanned again by etma scans. Until it is clean, no tutor should open it.",
    ),
    Code.OBLIGATION_MISSING: Kind(
        title="Somebody is not to be told", means="A person who must be told of something is not to be told.", do=_AGAIN
    ),
    Code.OBLIGATION_DUPLICATE: Kind(
        title="Somebody is to be told twice", means="A person is to be told of one thing more than once.", do=_FAULT
    ),
    Code.OBLIGATION_UNKNOWN: Kind(
        title="Somebody is told without cause",
        means="A person is to be told because of a fact that never was, or that does not oblige to tell them.",
        do=_FAULT,
    ),
    Code.DELIVERY_MISSING: Kind(
        title="Message is missing",
        means="Somebody must be told and there is no message, or one that says sent and is not there.",
        do=_MAIL,
        page="/deliveries",
    ),
    Code.DELIVERY_DUPLICATE: Kind(
        title="Message was sent twice", means="A message is in the mail more than once.", do=_FAULT
    ),
    Code.DELIVERY_DIFFERS: Kind(
        title="Message differs",
        means="A message goes to another person than it must, tells something else, or ended otherwise than announced.",
        do=_FAULT,
    ),
    Code.DELIVERY_FAILED: Kind(
        title="Message did not go out",
        means="A message could not be delivered and is not tried again by itself.",
        do="Send it again under Deliveries when the cause is gone, or tell the person by other means.",
        page="/deliveries",
    ),
    Code.DELIVERY_OVERDUE: Kind(
        title="Message is late",
        means="A message has been under way for an hour, or news waits for longer than it should.",
        do="See whether the mail server answers and whether sender and timers of the notifier run.",
        page="/deliveries",
    ),
    Code.MESSAGE_UNKNOWN: Kind(
        title="Message of no delivery", means="There is a mail that no delivery knows of.", do=_FAULT
    ),
    Code.STATE_DIFFERS: Kind(
        title="A service shows something else",
        means="What a service keeps of another is not what was announced last: people may be shown the wrong thing.",
        do=_AGAIN,
    ),
    Code.DEAD_LETTER: Kind(
        title="Message that could not be applied",
        means="A service has buried a message: what follows from it has not happened.",
        do="Open it under Dead letters, mend the cause and replay it.",
        page="/operations/dead-letters",
    ),
    Code.NOT_SETTLED: Kind(title="Still under way", means="Something waits to be published, read or sent.", do=_AGAIN),
}
