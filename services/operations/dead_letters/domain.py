"""What people may read of a buried message, and what they must say when they give one up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Rejected

LONGEST_REASON = 500
SHOWN_BYTES = 16 * 1024
"""How much of a message a page shows."""

_HEX_COLUMNS = 32


class NoReason(Rejected):
    """A message is given up without a reason, or with one that is too long to be read."""

    code = "no_reason"
    title = "Say why the message is given up"


class LetterState(StrEnum):
    """What became of a buried message; `parked` ones are seen with the one they wait behind."""

    BURIED = "buried"
    REPLAYED = "replayed"
    DISCARDED = "discarded"

    @property
    def words(self) -> str:
        """The state in words for people."""
        return {"buried": "Buried", "replayed": "Replayed", "discarded": "Discarded"}[self.value]


def checked_reason(reason: str) -> str:
    """The reason itself; raises `NoReason` when it is empty or too long."""
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        raise NoReason(f"Enter why this message is given up, in at most {LONGEST_REASON} characters. It is kept.")
    return text


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The bytes of a message as they can be read: text when they are UTF-8, else hexadecimal.

    `left_out` is how many bytes at the end are not shown.
    """

    text: str
    is_text: bool
    left_out: int


def shown(value: bytes) -> Shown:
    """The first 16 KB of a message; of a character that is cut in two, nothing."""
    head = value[:SHOWN_BYTES]
    try:
        text, is_text = _text(head, is_cut=len(head) < len(value)), True
    except UnicodeDecodeError:
        text, is_text = head.hex(" ", 1), False
        lines = [text[i : i + 3 * _HEX_COLUMNS].rstrip() for i in range(0, len(text), 3 * _HEX_COLUMNS)]
        text = "\n".join(lines)
    return Shown(text=text, is_text=is_text, left_out=len(value) - len(head))


def _text(head: bytes, *, is_cut: bool) -> str:
    try:
        return head.decode()
    except UnicodeDecodeError as error:
        if is_cut and error.end == len(head) and error.reason == "unexpected end of data":
            return head[: error.start].decode()
        raise


def words_of(reason: str) -> str:
    """Why a message was buried, in words: what was said, after the class of failure that it was."""
    kind, _, said = reason.partition(": ")
    return f"{_KINDS.get(kind, 'The service failed at it: ' + kind)}{': ' + said if said else ''}"


_KINDS = {
    "NotAFact": "It cannot be read",
    "Rejected": "It cannot be accepted",
    "Conflict": "It does not fit what is there",
    "NotFound": "It is about something that is not there",
}
