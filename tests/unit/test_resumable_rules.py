"""What a request of an upload may say, and what may become of an upload."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.submission.resumable.domain import (
    ALGORITHMS,
    LEASE,
    MOST_METADATA_CHARACTERS,
    NEXT,
    BadHeader,
    Gone,
    HandedIn,
    Locked,
    NotWhole,
    State,
    Upload,
    WrongOffset,
    check_may_end,
    check_ready,
    check_receiving,
    checked_next,
    checksum_in,
    key_in,
    metadata_in,
    number_in,
)
from services.submission.submissions.domain import Refused
from services.submission.upload.names import clean_name
from shared.contracts import Channel
from shared.errors import Rejected

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
UPLOAD = Upload(
    upload_id="u",
    work_id="w",
    assignment_id="K827-26J-TMA01",
    presentation_id="K827-26J",
    person_ref="ada",
    submitted_by="ada",
    channel=Channel.API,
    idempotency_key="u",
    correlation_id="c",
    metadata="",
    file_name="a.pdf",
    length=10,
    offset=4,
    state=State.RECEIVING,
    started_at=NOW,
    expires_at=NOW + SECOND,
)


def encoded(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        ("   ", {}),
        (f"filename {encoded('a.pdf')}", {"filename": "a.pdf"}),
        (f"a {encoded('1')},b {encoded('2')}", {"a": "1", "b": "2"}),
        (f"a {encoded('1')}, b {encoded('2')}", {"a": "1", "b": "2"}),
        ("is_confidential", {"is_confidential": ""}),
        ("is_confidential ", {"is_confidential": ""}),
        (f"filename {encoded('é☃.pdf')}", {"filename": "é☃.pdf"}),
        (f"filename {encoded(chr(0) + '../../etc/passwd')}", {"filename": "\0../../etc/passwd"}),
        (f"filename {encoded('n' * 255)}", {"filename": "n" * 255}),
    ],
)
def test_pairs_of_metadata_are_read(header: str, found: dict[str, str]) -> None:
    assert metadata_in(header) == found


@pytest.mark.parametrize(
    "header",
    [
        f"a {encoded('1')},a {encoded('2')}",
        "a,a",
        ",",
        f"a {encoded('1')},",
        "a !!!",
        "a YQ",
        f"a  {encoded('1')}",
        f"a {encoded('1')} {encoded('2')}",
        f"a {encoded(bytes([0xFF, 0xFE]))}",
        f"a {encoded(bytes([0xED, 0xA0, 0x80]))}",
        f"ä {encoded('1')}",
        f"a\tb {encoded('1')}",
        f"a {'A' * MOST_METADATA_CHARACTERS}",
    ],
)
def test_metadata_that_cannot_be_is_said_so(header: str) -> None:
    with pytest.raises(BadHeader, match="Upload-Metadata"):
        metadata_in(header)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\0b.pdf", "ab.pdf"),
        ("\u202efdp.exe", "fdp.exe"),
        ("\0", ""),
    ],
)
def test_a_name_from_metadata_is_shown_without_what_deceives(raw: str, shown: str) -> None:
    assert clean_name(metadata_in(f"filename {encoded(raw)}")["filename"]) == shown


@given(st.text(max_size=200))
def test_no_metadata_is_too_strange(header: str) -> None:
    try:
        found = metadata_in(header)
    except BadHeader:
        return
    assert all(key.isascii() and " " not in key and "," not in key for key in found)


@given(st.dictionaries(st.text("abcdefgh_-", min_size=1, max_size=8), st.text(max_size=20), max_size=5))
def test_what_is_written_as_metadata_is_read_again(pairs: dict[str, str]) -> None:
    assert metadata_in(",".join(f"{key} {encoded(value)}" for key, value in pairs.items())) == pairs


@pytest.mark.parametrize("key", ["short", "k" * 201, "a key with spaces", "käse-und-wurst", "12345678\0"])
def test_a_key_that_could_not_be_a_header_is_said_so(key: str) -> None:
    with pytest.raises(BadHeader):
        key_in({"key": key})
    assert key_in({}) is None


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", " 1", "٣", "0x10", "1" * 16, "1_0"])
def test_a_number_is_digits_and_nothing_else(text: str) -> None:
    with pytest.raises(BadHeader, match="upload-length"):
        number_in({"upload-length": text}, "upload-length")


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("00", 0), ("9" * 15, 10**15 - 1)])
def test_a_number_is_read(text: str, number: int) -> None:
    assert number_in({"upload-length": text}, "upload-length") == number


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_is_read(algorithm: str) -> None:
    digest = hashlib.new(algorithm, b"abc").digest()
    found = checksum_in(f"{algorithm} {encoded(digest)}")
    assert found is not None
    assert (found.algorithm, found.digest) == (algorithm, digest)


@pytest.mark.parametrize("header", ["", "sha1", "crc32 AAAA", "sha1 AAAA", "sha1 !", "sha256 é", "shake_128 AAAA"])
def test_a_checksum_that_cannot_be_is_said_so(header: str) -> None:
    with pytest.raises(BadHeader, match="Upload-Checksum"):
        checksum_in(header)
    assert checksum_in(None) is None


def test_what_is_at_its_end_stays_so() -> None:
    ends = set(State) - NEXT.keys()
    assert ends == {State.CONFIRMED, State.REFUSED, State.LAPSED, State.EXPIRED, State.TERMINATED}
    assert set().union(*NEXT.values()) >= ends
    for end in ends:
        for state in State:
            with pytest.raises(ValueError, match="cannot become"):
                checked_next(end, state)
    assert checked_next(State.READY, State.CONFIRMED) is State.CONFIRMED


@pytest.mark.parametrize(
    ("state", "receives", "is_ready", "may_end"),
    [
        (State.RECEIVING, None, NotWhole, None),
        (State.CHECKING, None, NotWhole, Locked),
        (State.READY, None, None, None),
        (State.CONFIRMED, None, None, HandedIn),
        (State.REFUSED, None, Refused, Gone),
        (State.LAPSED, Gone, Gone, Gone),
        (State.EXPIRED, Gone, Gone, Gone),
        (State.TERMINATED, Gone, Gone, Gone),
    ],
)
def test_what_an_upload_in_each_state_allows(
    state: State, receives: type[Rejected] | None, is_ready: type[Rejected] | None, may_end: type[Rejected] | None
) -> None:
    upload = replace(UPLOAD, state=state, refusal_reason="empty")
    assert failure(lambda: check_receiving(upload, offset=4, now=NOW)) is receives
    assert failure(lambda: check_ready(upload, now=NOW)) is is_ready
    assert failure(lambda: check_may_end(upload, now=NOW)) is may_end


def test_an_upload_goes_on_where_it_is() -> None:
    for offset in (0, 3, 5):
        with pytest.raises(WrongOffset, match="goes on at 4"):
            check_receiving(UPLOAD, offset=offset, now=NOW)


def test_an_upload_expires_at_its_moment() -> None:
    assert failure(lambda: check_receiving(UPLOAD, offset=4, now=NOW + SECOND)) is Gone
    assert failure(lambda: check_receiving(UPLOAD, offset=4, now=NOW + SECOND / 2)) is None


def test_a_holder_locks_others_out_until_the_lease_is_over() -> None:
    held = replace(UPLOAD, holder="somebody", lease_until=NOW + LEASE, expires_at=NOW + 2 * LEASE)
    assert failure(lambda: check_receiving(held, offset=4, now=NOW)) is Locked
    assert failure(lambda: check_may_end(held, now=NOW)) is Locked
    assert failure(lambda: check_receiving(held, offset=4, now=NOW + LEASE)) is None


def test_what_is_ready_may_be_handed_in_until_its_moment() -> None:
    ready = replace(UPLOAD, state=State.READY, confirm_by=NOW)
    assert failure(lambda: check_ready(ready, now=NOW)) is None
    assert failure(lambda: check_ready(ready, now=NOW + SECOND)) is Gone


def failure(check: Callable[[], None]) -> type[Exception] | None:
    try:
        check()
    except Rejected as error:
        return type(error)
    return None
