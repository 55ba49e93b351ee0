"""Finds the signed text in what somebody offers to be checked: the text itself, or a PDF that has it attached.

Whatever is offered comes from anybody, so a PDF is not opened as one: each of its streams is looked at by itself, the
first kilobytes and no more. What is attached is found in whatever way a program has written the file anew, and no
structure of a file, however wrong, makes this loop, grow or fail.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from services.submission.receipts.domain import BadReceipt, StatementType
from shared.signatures import type_of

OFFERED_BYTES = 1024 * 1024
"""The most that is taken."""

STATEMENT_BYTES = 16 * 1024
"""The most that a signed text may have; ours have a tenth of it."""

_STREAMS = 4000
_HEADER_BYTES = 1024
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_JWS = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Unreadable(BadReceipt):
    """There is nothing in it that could be checked."""

    code = "no_receipt_found"
    title = "There is no receipt in this"


class TooLarge(Unreadable):
    """It is larger than a receipt can be."""

    code = "receipt_too_large"
    status = 413


def too_large() -> TooLarge:
    """The answer to what is larger than `OFFERED_BYTES`."""
    return TooLarge(f"It is larger than {OFFERED_BYTES // 1024} KB. A receipt has less than a tenth of that.")


def statement_in(offered: bytes) -> str:
    """The one signed text in it, which may still be false; raises `Unreadable` that says what to do."""
    if len(offered) > OFFERED_BYTES:
        raise too_large()
    if b"%PDF-" in offered[:_HEADER_BYTES]:
        return _attached(offered)
    text = offered.strip()
    if len(text) > STATEMENT_BYTES or not _JWS.fullmatch(text):
        raise Unreadable(
            "This is neither the text of a receipt nor a PDF. The text is one line that begins with eyJ; take the PDF "
            "or the file receipt.jws as you saved it."
        )
    return text.decode("ascii")


def _attached(pdf: bytes) -> str:
    """The receipt, beside which a ruling may be attached; else the only text that there is."""
    found = dict.fromkeys(_statements(pdf))
    receipts = [text for text in found if type_of(text) == StatementType.RECEIPT] or list(found)
    if len(receipts) > 1:
        raise Unreadable("This PDF has more than one receipt attached. Check each by itself.")
    if not receipts:
        raise Unreadable(_why_empty(pdf))
    return receipts[0]


def _statements(pdf: bytes) -> Iterator[str]:
    for number, start in enumerate(_STREAM.finditer(pdf)):
        if number == _STREAMS:
            raise Unreadable("This PDF has more parts than any receipt. Check the file receipt.jws instead.")
        content = pdf[start.end() : start.end() + STATEMENT_BYTES]
        for text in (_until_the_end(content), _unpacked(content)):
            if _JWS.fullmatch(text.strip()):
                yield text.strip().decode("ascii")


def _until_the_end(content: bytes) -> bytes:
    return content.partition(b"endstream")[0]


def _unpacked(content: bytes) -> bytes:
    """What a packed stream begins with; empty for one that is not packed, is broken, or unpacks to more than a text."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(content, STATEMENT_BYTES)
    except zlib.error:
        return b""
    return text if unpacking.eof else b""


def _why_empty(pdf: bytes) -> str:
    if b"/Encrypt" in pdf:
        return "This PDF is locked with a password. Take it as you saved it, or check the file receipt.jws."
    return (
        "This PDF has no receipt attached: it may have been printed or saved anew by a program that leaves out what is "
        "attached. Take it as you saved it, or check the file receipt.jws."
    )
