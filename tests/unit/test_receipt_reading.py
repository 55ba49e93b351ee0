"""A receipt is found in what people saved; and what is none, however made, is answered soon and in words."""

from __future__ import annotations

import time
import tracemalloc
import zlib

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.submission.receipts.domain import BadReceipt
from services.submission.receipts.reading import OFFERED_BYTES, TooLarge, Unreadable, statement_in
from tests.support.receipts import opened, printed, saved, statement

SECONDS = 2.0
MEMORY_BYTES = 16 * 1024 * 1024
BOMB = zlib.compress(bytes(200 * 1024 * 1024), 9)
RECEIPT = statement().text


def stream(content: bytes) -> bytes:
    return b"1 0 obj<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream endobj\n" % (len(content), content)


def test_a_saved_text_is_found_with_the_line_that_ends_it() -> None:
    assert statement_in(f"  {RECEIPT}\r\n".encode()) == RECEIPT


def test_a_pdf_has_it_attached() -> None:
    assert statement_in(printed()) == RECEIPT


@pytest.mark.parametrize(
    "how",
    [
        {"object_stream_mode": pikepdf.ObjectStreamMode.generate},
        {"compress_streams": False, "stream_decode_level": pikepdf.StreamDecodeLevel.all},
        {"linearize": True},
        {"qdf": True},
    ],
    ids=["packed", "plain", "for-the-web", "for-people"],
)
def test_a_pdf_that_another_program_wrote_anew_still_has_it(how: dict[str, object]) -> None:
    assert statement_in(saved(opened(printed()), **how)) == RECEIPT


def test_a_pdf_without_it_says_what_to_take_instead() -> None:
    pdf = opened(printed())
    del pdf.attachments["receipt.jws"]
    with pytest.raises(Unreadable, match="no receipt attached"):
        statement_in(saved(pdf))


def test_a_pdf_with_two_is_not_guessed_about() -> None:
    pdf = opened(printed())
    pdf.attachments["other.jws"] = statement(version=3).text.encode()
    with pytest.raises(Unreadable, match="more than one"):
        statement_in(saved(pdf))


def test_a_locked_pdf_is_said_to_be_locked() -> None:
    locked = saved(opened(printed()), encryption=pikepdf.Encryption(owner="o", user="u"))
    with pytest.raises(Unreadable, match="locked with a password"):
        statement_in(locked)


@pytest.mark.parametrize("text", ["", "x", "..", "e30.e30", "e30.e30.c2ln and more", "e30.\x00.c2ln", "é.e30.c2ln"])
def test_another_text_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Unreadable, match="neither the text of a receipt nor a PDF"):
        statement_in(text.encode())


def test_more_than_a_megabyte_is_not_looked_at() -> None:
    with pytest.raises(TooLarge, match="larger than 1024 KB") as raised:
        statement_in(b"%PDF-1.7" + bytes(OFFERED_BYTES))
    assert raised.value.status == 413


@pytest.mark.parametrize(
    "pdf",
    [
        b"%PDF-1.7" + stream(BOMB),
        b"%PDF-1.7" + stream(BOMB[: OFFERED_BYTES // 4]) * 3,
        b"%PDF-1.7" + b"stream\n" * (OFFERED_BYTES // 8),
        b"%PDF-1.7" + stream(zlib.compress(b"eyJ." * 4000)) * 3500,
        b"%PDF-1.7" + b"stream\n" + b"a." * (OFFERED_BYTES // 4),
        b"%PDF-1.7" + b"<<" * (OFFERED_BYTES // 4),
        b"%PDF-1.7 trailer<</Prev 9>>startxref 9 %%EOF",
        printed()[:20_000],
    ],
    ids=["bomb", "bombs", "many-parts", "many-texts", "a-long-text", "deep", "loop", "cut-off"],
)
def test_a_hostile_pdf_costs_little(pdf: bytes) -> None:
    pdf = pdf[:OFFERED_BYTES]
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(Unreadable):
        statement_in(pdf)
    took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < SECONDS
    assert peak < MEMORY_BYTES


def answer_to(offered: bytes) -> str:
    try:
        return statement_in(offered)
    except BadReceipt as problem:
        return problem.detail


@given(st.binary(max_size=2000))
def test_whatever_is_offered_is_answered(offered: bytes) -> None:
    assert answer_to(offered)
    assert answer_to(b"%PDF-1.7\nstream\n" + offered)
