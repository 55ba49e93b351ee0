"""What a person reads: plain words and a place to go, made of codes only. No names, marks or free words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifier.obligations.domain import Duty, Purpose
from shared.clock import LONDON
from shared.contracts import Band, CorrectionReason, NotTakenReason, Party, RefusalReason
from shared.web.moments import describe_day, describe_moment


@dataclass(frozen=True, kw_only=True)
class Words:
    """`path` is a page of this system, from its root."""

    subject: str
    sentence: str
    path: str


def words_of(duty: Duty, *, label: str, count: int = 1) -> Words:
    """Say what the person is told of `count` equal duties; `label` is what people call the assignment."""
    return _WORDING[duty.purpose](duty, label, count)


def _receipt(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Work received: {label}",
        sentence=f"We received {_version(duty)} of the work for {label}. The receipt that proves it is ready.",
        path=f"/receipts/{duty.submission_id}",
    )


def _refused(duty: Duty, label: str, _count: int) -> Words:
    reason = _REFUSALS.get(RefusalReason(duty.parameters.get("reason", "unknown")), _REFUSALS[RefusalReason.UNKNOWN])
    return Words(
        subject=f"Work not accepted: {label}",
        sentence=f"The work for {label} was not accepted: {reason} Nothing was kept.",
        path=f"/assignments/{duty.assignment_id}",
    )


def _lapsed(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"A file was uploaded and not handed in: {label}",
        sentence=(
            f"You uploaded a file for {label} and did not hand it in within 24 hours, so it was deleted. "
            "If it was meant to be handed in, please upload it again and confirm it."
        ),
        path=f"/assignments/{duty.assignment_id}",
    )


def _not_taken(duty: Duty, label: str, _count: int) -> Words:
    asked = (
        "Your tutor is asked which one to mark, and you will be told the answer."
        if _is_asked(duty)
        else "The earlier one is marked unless your tutor agrees to take the new one."
    )
    return Words(
        subject=f"Your tutor had an earlier version: {label}",
        sentence=(
            f"We received and keep {_version(duty)} of your work for {label}, but your tutor {_already(duty)}. {asked}"
        ),
        path=f"/receipts/{duty.submission_id}",
    )


def _question(duty: Duty, label: str, _count: int) -> Words:
    came = f"A student handed in {_version(duty)} of the work for {label}, but you {_already(duty)}."
    subject = f"A newer version came in: {label}"
    if not _is_asked(duty):
        sentence = f"{came} Please agree with the student which one you mark."
        return Words(subject=subject, sentence=sentence, path=f"/tutor/scripts/{duty.work_id}")
    return Words(
        subject=subject,
        sentence=f"{came} Please say which one you mark: the student waits for your answer.",
        path=f"/tutor/later-versions/{duty.submission_id}",
    )


def _later_taken(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Your later version is taken: {label}",
        sentence=f"Your tutor takes {_version(duty)} of your work for {label} instead of {_earlier(duty)}.",
        path=f"/receipts/{duty.submission_id}",
    )


def _later_declined(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"The earlier version is marked: {label}",
        sentence=(
            f"Your tutor keeps {_earlier(duty)} of your work for {label}, and marks that one. "
            f"We keep {_version(duty)}; it is not marked."
        ),
        path=f"/receipts/{duty.submission_id}",
    )


def _new_script(duty: Duty, label: str, count: int) -> Words:
    scripts, there_are = (
        ("script", "There is a new script") if count == 1 else ("scripts", f"There are {count} new scripts")
    )
    return Words(
        subject=f"New {scripts} to mark: {label}",
        sentence=f"{there_are} for {label} for you to mark.",
        path=f"/tutor/scripts/{duty.work_id}" if count == 1 else "/tutor",
    )


def _script_moved(_duty: Duty, label: str, count: int) -> Words:
    """True whether another tutor has it or nobody yet, and of several also when it differs."""
    scripts, are = ("A script", "is") if count == 1 else (f"{count} scripts", "are")
    return Words(
        subject=f"No longer yours to mark: {label}",
        sentence=(
            f"{scripts} for {label} {are} no longer yours to mark: the student's group or its tutor changed. "
            "You need do nothing."
        ),
        path="/tutor",
    )


def _corrected(duty: Duty, label: str, _count: int) -> Words:
    stands = _BANDS.get(Band(duty.parameters.get("band", "unknown")), _BANDS[Band.UNKNOWN])
    why = _WHY.get(duty.parameters.get("why", ""), _MOVED).format(label=label)
    return Words(
        subject=f"Ruling changed: {label}",
        sentence=(
            f"{why} {_version(duty).capitalize()} of your work {stands}. The receipt page has the signed ruling."
        ),
        path=f"/receipts/{duty.submission_id}",
    )


def _malware_found(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Malware was found in your file: {label}",
        sentence=(
            f"Malware was found in {_version(duty)} of your work for {label}, so your tutor cannot collect it. Your "
            "receipt still proves that it arrived. Please check your computer and hand in a clean file; if you cannot, "
            "or think that this is a mistake, contact your student support team."
        ),
        path=f"/assignments/{duty.assignment_id}",
    )


def _malware_cleared(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Your file is not held back any more: {label}",
        sentence=(
            f"{_version(duty).capitalize()} of your work for {label} was checked again, and no malware was found after "
            "all. Nothing keeps it from your tutor any more; you need do nothing."
        ),
        path=f"/receipts/{duty.submission_id}",
    )


def _work_blocked(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Malware was found in work: {label}",
        sentence=(
            f"Malware was found in {_version(duty)} of a piece of work for {label}. It is held back, and the student "
            f"was asked for a clean file. It is submission {duty.submission_id}; etma scans list --state blocked has "
            "the scanner's name for what it found."
        ),
        path=f"/operations/trail?q={duty.work_id}",
    )


def _work_unscannable(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Work could not be checked for malware: {label}",
        sentence=(
            f"The scanner does not look into {_version(duty)} of a piece of work for {label}: it is too large for the "
            f"scanner's settings, or encrypted. It is held back. It is submission {duty.submission_id}; etma scans "
            "list --state unscannable has the reason, and etma scans again has it scanned once more."
        ),
        path=f"/operations/trail?q={duty.work_id}",
    )


def _do_not_open(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Please do not open a file that you have: {label}",
        sentence=(
            f"Malware was found in {_version(duty)} of a script for {label} that you have collected. Please do not "
            "open it and delete your copy; if you have opened it, tell your IT help desk now. The student was asked "
            "for a clean file, and you will be asked about it."
        ),
        path=f"/tutor/scripts/{duty.work_id}",
    )


def _may_open(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"You may open the file after all: {label}",
        sentence=(
            f"{_version(duty).capitalize()} of a script for {label} was checked again, and no malware was found after "
            "all. You can download and open it."
        ),
        path=f"/tutor/scripts/{duty.work_id}",
    )


def _request(duty: Duty) -> str:
    return f"/requests/{duty.parameters['request_id']}"


def _moment(duty: Duty, name: str) -> str:
    return describe_moment(datetime.fromisoformat(duty.parameters[name]))


def _last_day(duty: Duty) -> str:
    """The day that ends with the moment until which there is time."""
    until = datetime.fromisoformat(duty.parameters["answer_by"]) - timedelta(microseconds=1)
    return describe_day(until.astimezone(LONDON).date())


def _request_made(duty: Duty, label: str, _count: int) -> Words:
    asks = f" until {_moment(duty, 'until')}" if "until" in duty.parameters else ""
    by = f" by the end of {_last_day(duty)}" if "answer_by" in duty.parameters else " soon"
    return Words(
        subject=f"A student asks for more time: {label}",
        sentence=(
            f"A student of yours asks for more time for {label}{asks}. Please answer{by}: agree, propose another day "
            "or decline. After that student support can answer as well."
        ),
        path=_request(duty),
    )


def _request_countered(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Another day is proposed: {label}",
        sentence=(
            f"About more time for {label}, the other side proposes {_moment(duty, 'until')}. Please answer by the end "
            f"of {_last_day(duty)}: agree, propose another day or decline."
        ),
        path=_request(duty),
    )


def _request_agreed(duty: Duty, label: str, _count: int) -> Words:
    until = _moment(duty, "until")
    if duty.parameters["to"] == "tutor":
        sentence = f"More time for {label} is agreed with a student of yours: the cut-off is {until}."
    else:
        sentence = f"More time is agreed: your cut-off for {label} is {until}."
    return Words(subject=f"More time is agreed: {label}", sentence=sentence, path=_request(duty))


def _request_declined(duty: Duty, label: str, _count: int) -> Words:
    if duty.parameters["by"] == Party.STUDENT:
        sentence = f"The student does not accept the day that was proposed for {label}. The cut-off stays as it is."
    else:
        sentence = (
            f"More time for {label} was not agreed, so your cut-off stays as it is. The request says why. If you have "
            "handed in late meanwhile, you will be told how that counts."
        )
    return Words(subject=f"More time is not agreed: {label}", sentence=sentence, path=_request(duty))


def _request_withdrawn(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"A request was withdrawn: {label}",
        sentence=f"The student does not ask for more time for {label} any more. You need do nothing.",
        path=_request(duty),
    )


def _request_lapsed(duty: Duty, label: str, _count: int) -> Words:
    if duty.parameters["to"] == "tutor":
        sentence = f"The student did not answer your proposal for {label} in time. The cut-off stays as it is."
    else:
        sentence = (
            f"You did not answer your tutor's proposal for {label} in time, so the request has ended and your cut-off "
            "stays as it is. While there is time you can ask again."
        )
    return Words(subject=f"A request ended without an answer: {label}", sentence=sentence, path=_request(duty))


def _request_escalated(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Student support looks at your request: {label}",
        sentence=(
            f"Your tutor has not answered your request for more time for {label} yet, so student support can answer it "
            "as well. You need do nothing."
        ),
        path=_request(duty),
    )


def _request_for_support(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"A student waits for an answer: {label}",
        sentence=(
            f"A student asks for more time for {label}, and the tutor has not answered or there is none. Please answer "
            "in the tutor's stead."
        ),
        path=_request(duty),
    )


def _request_reminder(duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"Your answer is still awaited: {label}",
        sentence=f"About more time for {label}, your answer is awaited by the end of {_last_day(duty)}.",
        path=_request(duty),
    )


def _request_moved(_duty: Duty, label: str, _count: int) -> Words:
    return Words(
        subject=f"A request is no longer yours to answer: {label}",
        sentence=(
            f"A request for more time for {label} is no longer yours to answer: the student's group or its tutor "
            "changed. You need do nothing."
        ),
        path="/requests",
    )


def _version(duty: Duty) -> str:
    return f"version {duty.parameters['version']}"


def _earlier(duty: Duty) -> str:
    return f"version {duty.parameters['earlier_version']}"


def _is_asked(duty: Duty) -> bool:
    """Whether the tutor is asked on a page; after a return nobody is."""
    return duty.parameters.get("reason") == NotTakenReason.COLLECTED


def _already(duty: Duty) -> str:
    return _NOT_TAKEN.get(NotTakenReason(duty.parameters.get("reason", "unknown")), _NOT_TAKEN[NotTakenReason.UNKNOWN])


_REFUSALS: Mapping[RefusalReason, str] = {
    RefusalReason.TOO_LATE: "the time for handing in was over.",
    RefusalReason.TOO_LARGE: "the file is larger than this assignment allows.",
    RefusalReason.EMPTY: "the file is empty.",
    RefusalReason.WRONG_TYPE: "this type of file is not allowed for this assignment.",
    RefusalReason.NAME_TOO_LONG: "the name of the file is too long.",
    RefusalReason.PAPER_ONLY: "this assignment is handed in on paper.",
    RefusalReason.QUOTA: (
        "you have handed in as much for this assignment as may be handed in. All of that is kept. "
        "If you need to hand in once more, ask your student support team."
    ),
    RefusalReason.UNKNOWN: "the page of the assignment says what is allowed.",
}

_NOT_TAKEN: Mapping[NotTakenReason, str] = {
    NotTakenReason.COLLECTED: "had already collected an earlier version",
    NotTakenReason.RETURNED: "had already returned an earlier version",
    NotTakenReason.UNKNOWN: "already had an earlier version",
}

_MOVED = "The cut-off for {label} was moved."

_WHY: Mapping[str, str] = {
    CorrectionReason.MORE_TIME: "More time was agreed for {label}.",
    CorrectionReason.NO_MORE_TIME: "Your request for more time for {label} ended without an agreement.",
}

_BANDS: Mapping[Band, str] = {
    Band.ON_TIME: "now counts as on time",
    Band.GRACE: "now counts as within grace",
    Band.LATE: "now counts as late",
    Band.PENALISED: "now counts as late, with a penalty",
    Band.REFUSED: "now counts as too late, and is not marked unless your tutor agrees to mark it",
    Band.UNKNOWN: "now stands to it otherwise than before",
}

_WORDING: Mapping[Purpose, Callable[[Duty, str, int], Words]] = {
    Purpose.RECEIPT: _receipt,
    Purpose.REFUSED: _refused,
    Purpose.UPLOAD_LAPSED: _lapsed,
    Purpose.VERSION_NOT_TAKEN: _not_taken,
    Purpose.VERSION_QUESTION: _question,
    Purpose.LATER_VERSION_TAKEN: _later_taken,
    Purpose.LATER_VERSION_DECLINED: _later_declined,
    Purpose.NEW_SCRIPT: _new_script,
    Purpose.SCRIPT_MOVED: _script_moved,
    Purpose.LATENESS_CORRECTED: _corrected,
    Purpose.MALWARE_FOUND: _malware_found,
    Purpose.MALWARE_CLEARED: _malware_cleared,
    Purpose.WORK_BLOCKED: _work_blocked,
    Purpose.WORK_UNSCANNABLE: _work_unscannable,
    Purpose.DO_NOT_OPEN: _do_not_open,
    Purpose.MAY_OPEN: _may_open,
    Purpose.REQUEST_MADE: _request_made,
    Purpose.REQUEST_COUNTERED: _request_countered,
    Purpose.REQUEST_AGREED: _request_agreed,
    Purpose.REQUEST_DECLINED: _request_declined,
    Purpose.REQUEST_WITHDRAWN: _request_withdrawn,
    Purpose.REQUEST_LAPSED: _request_lapsed,
    Purpose.REQUEST_ESCALATED: _request_escalated,
    Purpose.REQUEST_FOR_SUPPORT: _request_for_support,
    Purpose.REQUEST_REMINDER: _request_reminder,
    Purpose.REQUEST_MOVED: _request_moved,
}

KINDS: Mapping[Purpose, str] = {
    Purpose.RECEIPT: "Receipt for work handed in",
    Purpose.REFUSED: "Work that was not accepted",
    Purpose.UPLOAD_LAPSED: "A file that was uploaded, not handed in and deleted",
    Purpose.VERSION_NOT_TAKEN: "The tutor had an earlier version",
    Purpose.VERSION_QUESTION: "A later version waits for the tutor's answer",
    Purpose.LATER_VERSION_TAKEN: "The tutor takes a later version",
    Purpose.LATER_VERSION_DECLINED: "The tutor keeps an earlier version",
    Purpose.NEW_SCRIPT: "A script to mark",
    Purpose.SCRIPT_MOVED: "A script that is no longer the tutor's",
    Purpose.LATENESS_CORRECTED: "A changed ruling on lateness",
    Purpose.MALWARE_FOUND: "Malware in a file that was handed in",
    Purpose.MALWARE_CLEARED: "A file held back because of malware that has none after all",
    Purpose.WORK_BLOCKED: "Work held back because of malware",
    Purpose.WORK_UNSCANNABLE: "Work that could not be checked for malware",
    Purpose.DO_NOT_OPEN: "Malware in a script that was collected",
    Purpose.MAY_OPEN: "A collected script that may be opened after all",
    Purpose.REQUEST_MADE: "A student asks for more time",
    Purpose.REQUEST_COUNTERED: "Another day is proposed in a request for more time",
    Purpose.REQUEST_AGREED: "More time is agreed",
    Purpose.REQUEST_DECLINED: "More time is not agreed",
    Purpose.REQUEST_WITHDRAWN: "A request for more time that was withdrawn",
    Purpose.REQUEST_LAPSED: "A request for more time that ended without an answer",
    Purpose.REQUEST_ESCALATED: "Student support looks at a request for more time",
    Purpose.REQUEST_FOR_SUPPORT: "A request for more time that student support can answer",
    Purpose.REQUEST_REMINDER: "A reminder that an answer is awaited",
    Purpose.REQUEST_MOVED: "A request for more time that is no longer the tutor's",
}
"""What kind of news each is, for lists."""
