"""What people read of a buried message, and what they must say to give one up."""

from __future__ import annotations

import pytest

from services.operations.dead_letters.domain import SHOWN_BYTES, NoReason, checked_reason, shown, words_of
from shared.contracts import fact_name


def test_text_is_shown_as_text() -> None:
    told = shown('{"title": "Größe"}'.encode())
    assert (told.text, told.is_text, told.left_out) == ('{"title": "Größe"}', True, 0)


def test_other_bytes_are_shown_in_hexadecimal_by_lines() -> None:
    told = shown(b"\xff" * 40)
    assert (told.is_text, told.text.splitlines()) == (False, [" ".join(["ff"] * 32), " ".join(["ff"] * 8)])


def test_nothing_is_shown_as_nothing() -> None:
    assert (shown(b"").text, shown(b"").is_text) == ("", True)


def test_of_a_large_message_the_beginning_is_shown_and_what_is_left_out_is_said() -> None:
    told = shown(b"a" * (SHOWN_BYTES + 7))
    assert (len(told.text), told.left_out) == (SHOWN_BYTES, 7)


def test_a_character_that_is_cut_in_two_does_not_make_it_hexadecimal() -> None:
    told = shown(b"a" * (SHOWN_BYTES - 1) + "ö".encode() + b"b")
    assert (told.is_text, told.text) == (True, "a" * (SHOWN_BYTES - 1))


def test_a_message_that_ends_within_a_character_is_no_text() -> None:
    assert not shown("ö".encode()[:1]).is_text


@pytest.mark.parametrize("reason", ["", " \n", "x" * 501])
def test_a_reason_must_be_given_and_be_short(reason: str) -> None:
    with pytest.raises(NoReason):
        checked_reason(reason)


def test_a_reason_is_kept_without_what_surrounds_it() -> None:
    assert checked_reason("  Sent twice. \n") == "Sent twice."


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("NotAFact: it lacks work_id", "It cannot be read: it lacks work_id"),
        ("KeyError: 'w1'", "The service failed at it: KeyError: 'w1'"),
        ("KeyError", "The service failed at it: KeyError"),
    ],
)
def test_reasons_are_said_in_words(reason: str, words: str) -> None:
    assert words_of(reason) == words


def test_a_fact_has_its_own_name() -> None:
    assert fact_name("etma.submission.SubmissionReceived.v1") == "SubmissionReceived"
    assert fact_name("of another kind") == "of another kind"
