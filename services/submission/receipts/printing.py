"""Receipts on paper: a PDF that a screen reader can read (PDF/UA-1) and an archive can keep (PDF/A-3a).

The signed receipt is attached to it, and a QR code leads to the page that tells what the university has on record. The
same receipt makes the same bytes.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import segno
import typst

from services.submission.receipts.domain import Statement
from shared.web.moments import describe_moment
from shared.web.pages import describe_exactly, describe_state

ATTACHED = "receipt.jws"
ATTACHED_RULING = "ruling.jws"

_TEMPLATE = (Path(__file__).parent / "templates" / "receipt.typ").read_bytes()
_LATIN = frozenset(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x180)]))
_PROMISE = (
    "The university has received this work and keeps it. This sheet says what stands in the signed receipt, which is "
    f"attached to the PDF as {ATTACHED}; the title of the assignment and the name of the file are added. It proves "
    "that the work arrived; marking comes later."
)
_ADVICE = (
    "With this sheet: the code leads to what the university has on record for this receipt. Compare it with the sheet.",
    "With the PDF: anybody can check it there, without signing in. What counts is the receipt attached, not the sheet.",
)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What is printed: the receipt, the ruling that corrected it last, and what they do not hold themselves."""

    receipt: Statement
    ruling: Statement | None = None
    file_name: str
    assignment_title: str


def address_of(receipt: Statement) -> str:
    """The page that tells what the university has on record: at the address of who issued the receipt."""
    return f"{receipt.claims['iss']}/verify/{receipt.claims['jti']}"


def print_receipt(sheet: Sheet) -> bytes:
    """The PDF. Characters for which there is no letter in its fonts are given by their numbers."""
    try:
        return _compiled(sheet, name=sheet.file_name, title=sheet.assignment_title)
    except typst.TypstError:
        return _compiled(sheet, name=_spelled(sheet.file_name), title=_spelled(sheet.assignment_title))


def _compiled(sheet: Sheet, *, name: str, title: str) -> bytes:
    arrived_at = datetime.fromisoformat(sheet.receipt.claims["arrived_at"])
    made = typst.compile(
        _TEMPLATE,
        sys_inputs={"sheet": json.dumps(_data(sheet, name=name, title=title))},
        ignore_system_fonts=True,
        pdf_standards=["ua-1", "a-3a"],
        timestamp=arrived_at.astimezone(UTC).replace(microsecond=0),
    )
    if not isinstance(made, bytes):
        message = "a PDF is one file"
        raise TypeError(message)
    return made


def _data(sheet: Sheet, *, name: str, title: str) -> dict[str, object]:
    claims = sheet.receipt.claims
    return {
        "title": f"Receipt for version {claims['version']} of {claims['assignment']}",
        "promise": _PROMISE,
        "facts": _facts(sheet, name=name, title=title),
        "code": _qr_code(address_of(sheet.receipt)),
        "code_alt": f"QR code with the address {address_of(sheet.receipt)}",
        "advice": _ADVICE,
        "address": address_of(sheet.receipt),
        "files": _files(sheet),
    }


def _files(sheet: Sheet) -> list[dict[str, str]]:
    receipt = {"name": ATTACHED, "text": sheet.receipt.text, "description": "The signed receipt, a JWS"}
    if sheet.ruling is None:
        return [receipt]
    words = "The signed ruling that corrects it, a JWS"
    return [receipt, {"name": ATTACHED_RULING, "text": sheet.ruling.text, "description": words}]


def _facts(sheet: Sheet, *, name: str, title: str) -> list[dict[str, object]]:
    claims = sheet.receipt.claims
    moments = {each: describe_moment(datetime.fromisoformat(claims[each])) for each in claims if each.endswith("_at")}
    words = {
        "Receipt number": claims["jti"],
        "Assignment": f"{claims['assignment']}: {title}",
        "Student (reference)": claims["student"],
        "Submission": claims["submission_id"],
        "Version": str(claims["version"]),
        "File name": name,
        "Size": describe_exactly(claims["size_bytes"]),
        "Upload began": moments["started_at"],
        "Arrived": moments["arrived_at"],
        "Confirmed": moments["confirmed_at"],
        "Cut-off": moments["cut_off_at"],
        "Ruling at issue": describe_state(claims["ruling"]),
    }
    notes = {"Note": "Simulated: issued in a replay, not by a student."} if claims.get("simulated") else {}
    codes = {"SHA-256 of the file": claims["sha256"], "Key of the signature": sheet.receipt.key_id}
    return [
        *({"name": each, "value": value, "code": False} for each, value in (words | _ruling(sheet) | notes).items()),
        *({"name": each, "value": value, "code": True} for each, value in codes.items()),
    ]


def _ruling(sheet: Sheet) -> dict[str, str]:
    """What holds instead of the ruling at issue."""
    if sheet.ruling is None:
        return {}
    claims = sheet.ruling.claims
    cut_off_at, corrected_at = (datetime.fromisoformat(claims[each]) for each in ("cut_off_at", "corrected_at"))
    moved = f"the cut-off was moved to {describe_moment(cut_off_at)}"
    words = f"{describe_state(claims['ruling'])}: {moved}. Corrected {describe_moment(corrected_at)}; signed ruling in "
    return {"Ruling now": f"{words}{ATTACHED_RULING}"}


def _qr_code(address: str) -> str:
    drawn = io.BytesIO()
    segno.make_qr(address, error="m").save(drawn, kind="svg", xmldecl=False, omitsize=True)
    return drawn.getvalue().decode("utf-8")


def _spelled(text: str) -> str:
    """The text with every character but Latin letters as its number, such as `[U+6587]`."""
    return "".join(char if char in _LATIN else f"[U+{ord(char):04X}]" for char in text)
