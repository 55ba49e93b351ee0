"""What clients call their files, made fit to be shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.submission.upload.names import clean_name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("essay.pdf", "essay.pdf"),
        ("My essay (final).docx", "My essay (final).docx"),
        ("/home/ada/essay.pdf", "essay.pdf"),
        ("C:\\Users\\ada\\essay.pdf", "essay.pdf"),
        ("../../etc/passwd", "passwd"),
        ("folder/", ""),
        ("  essay.pdf ", "essay.pdf"),
        ("essay\0.pdf", "essay.pdf"),
        ("essay\r\n.pdf\t", "essay.pdf"),
        ("essay\N{LINE SEPARATOR}1\N{PARAGRAPH SEPARATOR}.pdf", "essay1.pdf"),
        ("essay\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe", "essayfdp.exe"),
        ("\N{RIGHT-TO-LEFT ISOLATE}essay\N{POP DIRECTIONAL ISOLATE}.pdf", "essay.pdf"),
        ("\N{CJK UNIFIED IDEOGRAPH-6587}.pdf", "\N{CJK UNIFIED IDEOGRAPH-6587}.pdf"),
        ("", ""),
    ],
)
def test_a_name_is_shown_without_folders_controls_and_marks(raw: str, shown: str) -> None:
    assert clean_name(raw) == shown


@given(st.text())
def test_a_cleaned_name_is_clean_and_stays_so(raw: str) -> None:
    name = clean_name(raw)
    assert not {"/", "\\"} & set(name)
    assert all(unicodedata.category(char) != "Cc" for char in name)
    assert len(name.splitlines()) <= 1
    assert clean_name(name) == name
