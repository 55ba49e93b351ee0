"""One file out of a form, in whatever pieces the body comes."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.submission.upload.multipart import BadUpload, MultipartFile
from shared.errors import StorageFull

BOUNDARY = "----a-boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass
class Taken:
    names: list[str] = field(default_factory=list)
    content: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)


def part(disposition: str, content: bytes = b"", *headers: str) -> bytes:
    lines = [f"--{BOUNDARY}", f"Content-Disposition: {disposition}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


def file_part(content: bytes = b"my work", name: str = "essay.pdf") -> bytes:
    return part(f'form-data; name="file"; filename="{name}"', content, "Content-Type: application/pdf")


def field_part(name: str, value: bytes) -> bytes:
    return part(f'form-data; name="{name}"', value)


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def read(content: bytes, *, content_type: str = CONTENT_TYPE, cuts: Sequence[int] = ()) -> Taken:
    taken = Taken()

    def take(piece: bytes) -> None:
        taken.content += piece

    reader = MultipartFile(content_type, on_name=taken.names.append, on_bytes=take)
    places = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    for start, end in pairwise(places):
        reader.feed(content[start:end])
    reader.close()
    taken.fields = reader.fields
    return taken


def test_the_file_its_name_and_the_fields_come_out() -> None:
    taken = read(body(field_part("csrf", b"token"), file_part(b"my work", "essay.pdf"), field_part("note", b"hello")))
    assert taken == Taken(names=["essay.pdf"], content=b"my work", fields={"csrf": "token", "note": "hello"})


@given(
    st.binary(max_size=300) | st.sampled_from([f"\r\n--{BOUNDARY}".encode()[:-1], b"\r\n--", b"\r\n" * 9, b"\r"]),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_pieces_of_any_size_give_the_same_bytes(content: bytes, cuts: list[int]) -> None:
    whole = body(field_part("csrf", b"token"), file_part(content))
    assert read(whole, cuts=cuts) == Taken(names=["essay.pdf"], content=content, fields={"csrf": "token"})


def test_a_body_byte_by_byte_gives_the_same_bytes() -> None:
    whole = body(field_part("csrf", b"token"), file_part(b"my\r\n--work"))
    assert read(whole, cuts=range(len(whole))).content == b"my\r\n--work"


def test_an_empty_file_is_a_file() -> None:
    assert read(body(file_part(b""))) == Taken(names=["essay.pdf"])


def test_a_name_in_utf8_is_read_as_such() -> None:
    name = "r\N{LATIN SMALL LETTER E WITH ACUTE}sum\N{LATIN SMALL LETTER E WITH ACUTE}.pdf"
    assert read(body(file_part(name=name))).names == [name]


def test_a_path_in_the_name_is_handed_on_as_data() -> None:
    assert read(body(file_part(name="../../etc/passwd"))).names == ["../../etc/passwd"]


def test_the_name_and_the_fields_before_the_file_are_known_before_its_bytes() -> None:
    known: list[tuple[list[str], dict[str, str]]] = []
    names: list[str] = []
    reader = MultipartFile(
        CONTENT_TYPE, on_name=names.append, on_bytes=lambda _: known.append((list(names), dict(reader.fields)))
    )
    reader.feed(body(field_part("csrf", b"token"), file_part()))
    assert known[0] == (["essay.pdf"], {"csrf": "token"})


@pytest.mark.parametrize(
    "content",
    [
        body(),
        body(field_part("csrf", b"token")),
        body(part('form-data; name="file"; filename=""')),
        body(part('form-data; name="file"', b"words without a file")),
        body(part('form-data; name="other"; filename="essay.pdf"', b"my work")),
        body(part("form-data; name=\"file\"; filename*=UTF-8''essay.pdf", b"my work")),
    ],
    ids=["nothing", "only a field", "nothing chosen", "a field", "another name", "an extended name"],
)
def test_a_form_without_a_file_is_refused(content: bytes) -> None:
    with pytest.raises(BadUpload):
        read(content)


def test_more_than_one_file_is_refused_before_its_bytes_are_taken() -> None:
    taken: list[bytes] = []
    reader = MultipartFile(CONTENT_TYPE, on_name=lambda _: None, on_bytes=taken.append)
    with pytest.raises(BadUpload, match="one file"):
        reader.feed(body(file_part(b"first"), file_part(b"second")))
    assert b"".join(taken) == b"first"


def test_a_second_file_under_another_name_is_refused() -> None:
    with pytest.raises(BadUpload, match="one file"):
        read(body(file_part(), part('form-data; name="other"; filename="b.pdf"', b"x")))


@pytest.mark.parametrize("kept_bytes", [0, 1, 30, 100, 150, -1, -4, -5])
def test_a_body_that_ends_too_early_is_refused(kept_bytes: int) -> None:
    with pytest.raises(BadUpload):
        read(body(file_part(b"my work" * 20)).removesuffix(b"\r\n")[:kept_bytes])


@pytest.mark.parametrize(
    "content",
    [
        b"not a form at all",
        b"--another-boundary\r\n\r\n",
        f"--{BOUNDARY}\r\nno colon\r\n\r\n".encode(),
        body(f"--{BOUNDARY}\r\n\r\nno headers\r\n".encode()),
        body(part('attachment; name="file"; filename="a.pdf"', b"x")),
        body(part('form-data; filename="a.pdf"', b"x")),
        body(part('form-data; name="file"; filename="a.pdf"', b"eA==", "Content-Transfer-Encoding: base64")),
        body(part(f'form-data; name="file"; filename="{"a" * 10_000}"', b"x")),
        body(part('form-data; name="file"; filename="a.pdf"', b"x", *["X-More: y"] * 50)),
    ],
    ids=["text", "boundary", "colon", "no headers", "attachment", "nameless", "base64", "long header", "many headers"],
)
def test_a_body_that_breaks_the_format_is_refused(content: bytes) -> None:
    with pytest.raises(BadUpload):
        read(content)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/pdf",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 5000,
        f"multipart/mixed; boundary={BOUNDARY}",
        "multipart/form-data\N{SNOWMAN}",
    ],
)
def test_another_content_type_or_no_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadUpload):
        read(body(file_part()), content_type=content_type)


def test_a_quoted_boundary_is_understood() -> None:
    assert read(body(file_part()), content_type=f'Multipart/Form-Data; boundary="{BOUNDARY}"').content == b"my work"


@pytest.mark.parametrize(
    "fields",
    [
        [field_part("csrf", b"x" * 70_000)],
        [field_part(f"f{number}", b"x" * 1000) for number in range(70)],
        [field_part(f"f{number}", b"") for number in range(3000)],
    ],
    ids=["one large", "many", "many empty"],
)
def test_fields_that_are_too_large_in_all_are_refused(fields: list[bytes]) -> None:
    with pytest.raises(BadUpload, match="too long"):
        read(body(*fields, file_part()))


def test_what_the_taker_raises_comes_out_as_it_is() -> None:
    def full(_piece: bytes) -> None:
        raise StorageFull

    reader = MultipartFile(CONTENT_TYPE, on_name=lambda _: None, on_bytes=full)
    with pytest.raises(StorageFull):
        reader.feed(body(file_part()))


def test_memory_does_not_grow_with_the_file() -> None:
    sizes: list[int] = []
    reader = MultipartFile(CONTENT_TYPE, on_name=lambda _: None, on_bytes=lambda piece: sizes.append(len(piece)))
    start, _, end = body(file_part(b"<here>")).partition(b"<here>")
    chunk = os.urandom(65536)
    tracemalloc.start()
    try:
        reader.feed(start)
        for _ in range(400):
            reader.feed(chunk)
        reader.feed(end)
        reader.close()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 400 * len(chunk)
    assert peak_bytes < 1024 * 1024
