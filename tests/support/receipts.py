"""Receipts to try things with, signed by keys of the test."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pikepdf
from joserfc.jwk import OKPKey

from services.submission.receipts.domain import Statement, public_jwk_of, read_statement, sign_statement
from services.submission.receipts.printing import Sheet, print_receipt

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = OKPKey.generate_key("Ed25519", auto_kid=True)


def claims(**other: object) -> dict[str, object]:
    usual = {
        "iss": "https://etma.example.org",
        "jti": "0b6f7a9c-53a2-4c3a-9c2e-1c2d3e4f5a6b",
        "iat": int(NOON.timestamp()),
        "work": "b3b2d4a0-7c51-5c1e-9f0d-0d7f4e1f3a55",
        "submission_id": "7d1f9f0a-2b58-4a52-8f5e-1b2f7c7d9e10",
        "version": 2,
        "assignment": "K827-26J-TMA01",
        "student": "p-77aa",
        "submitted_by": "p-77aa",
        "sha256": "ab" * 32,
        "size_bytes": 58213,
        "started_at": (NOON - timedelta(minutes=2)).isoformat(),
        "arrived_at": NOON.isoformat(),
        "confirmed_at": NOON.isoformat(),
        "cut_off_at": NOON.isoformat(),
        "ruling": "on_time",
    }
    return usual | other


def statement(**other: object) -> Statement:
    """A genuine receipt."""
    return read_statement(sign_statement(claims(**other), KEY), [public_jwk_of(KEY)])


def printed(*, file_name: str = "essay.pdf", title: str = "Reading the figures", **other: object) -> bytes:
    """The PDF of a genuine receipt."""
    return print_receipt(Sheet(receipt=statement(**other), file_name=file_name, assignment_title=title))


def opened(pdf: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(pdf))


def saved(pdf: pikepdf.Pdf, **how: object) -> bytes:
    """What another program makes of it."""
    written = io.BytesIO()
    pdf.save(written, **how)
    return written.getvalue()
