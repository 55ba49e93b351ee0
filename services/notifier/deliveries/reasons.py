"""Why a delivery is where it is, in words for operations staff: made of codes, never of an address."""

from __future__ import annotations

from collections.abc import Mapping

from services.notifier.deliveries.domain import Flaw

_WORDS: Mapping[str, str] = {
    "": "It was not tried yet.",
    Flaw.NOTHING_TO_TELL: "It tells nothing that anybody is owed.",
    Flaw.PERSON_UNKNOWN: "Who this person is, is not known here.",
    Flaw.NO_ADDRESS: "No mail address of this person is known.",
    Flaw.UNREADABLE: "What it should tell cannot be read; the log says why.",
    Flaw.ERASED: "This person was erased.",
    "bad_address": "What is known as this person's mail address is none.",
    "next_batch": "The mail server is slow; it goes with the next ones.",
    "connection_lost": "The connection to the mail server was lost.",
    "unavailable": "The mail server was not there.",
    "storage_full": "There was no room to keep the mail.",
}
_ANSWER = "smtp_"


def words_of_reason(reason: str) -> str:
    """Say what this code means; what nobody has thought of is named by its class."""
    if reason in _WORDS:
        return _WORDS[reason]
    if reason.startswith(_ANSWER):
        return f"The mail server answered with code {reason.removeprefix(_ANSWER)}."
    return f"Something that nobody has thought of ({reason}); the log says more."
