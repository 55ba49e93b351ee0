"""What a file is, told from its bytes in whatever pieces they come."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.submission.upload.media_type import TypeJudge
from shared.contracts import MEDIA_TYPES

Member = tuple[str, bytes]

OLE = bytes.fromhex("d0cf11e0a1b11ae1")
WORD_CLASS = bytes.fromhex("0609020000000000c000000000000046")
EXCEL_CLASS = bytes.fromhex("2008020000000000c000000000000046")
BIG = os.urandom(700_000)


def judged(content: bytes, *, piece_bytes: int = 65536) -> str | None:
    judge = TypeJudge()
    for start in range(0, len(content), piece_bytes):
        judge.feed(content[start : start + piece_bytes])
    return judge.verdict()


def zipped(members: Sequence[Member], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def ooxml(folder: str, *more: Member) -> list[Member]:
    return [
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", b"<Relationships/>"),
        ("docProps/app.xml", b"<Properties/>" * 900),
        (f"{folder}/document.xml", b"<w/>" * 100),
        *more,
    ]


def odf(kind: str, *more: Member) -> list[Member]:
    mark = f"application/vnd.oasis.opendocument.{kind}".encode()
    return [("mimetype", mark), ("content.xml", b"<c/>"), *more, ("META-INF/manifest.xml", b"<m/>")]


def ole(*, root_class: bytes, directory_sector: int, size_bytes: int) -> bytes:
    """An old Office file that holds nothing but its header and the root entry of its directory."""
    header = OLE + bytes(22) + struct.pack("<H16xI", 9, directory_sector) + bytes(512 - 52)
    root = "Root Entry".encode("utf-16-le").ljust(80, b"\0") + root_class + bytes(32)
    body = bytearray(os.urandom(size_bytes - 512))
    body[directory_sector * 512 : directory_sector * 512 + 512] = root.ljust(512, b"\0")
    return header + bytes(body)


DOCUMENTS = {
    "docx": ooxml("word"),
    "xlsx": ooxml("xl"),
    "pptx": ooxml("ppt"),
    "odt": odf("text"),
    "ods": odf("spreadsheet"),
    "odp": odf("presentation"),
    "zip": [("essay.txt", b"words"), ("figures/1.png", b"x")],
}
PLAIN = {
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "rtf": b"{\\rtf1\\ansi My essay.}",
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(50),
    "jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(60) + b"\xff\xd9",
    "txt": "An essay, with caf\N{LATIN SMALL LETTER E WITH ACUTE}.\r\n\tAnd more.\f\n".encode(),
}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("step", [1, -1], ids=["usual order", "reverse order"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_in_zips_are_told_apart_in_any_order_of_members(name: str, step: int, compression: int) -> None:
    assert judged(zipped(DOCUMENTS[name][::step], compression)) == MEDIA_TYPES[name]


@pytest.mark.parametrize("name", ["docx", "odt", "zip"])
def test_a_large_document_is_judged_by_its_two_ends(name: str) -> None:
    members = [*DOCUMENTS[name], ("media/film.bin", BIG)]
    assert judged(zipped(members)) == MEDIA_TYPES[name]


@pytest.mark.parametrize("name", PLAIN)
def test_other_files_are_told_by_their_first_bytes(name: str) -> None:
    assert judged(PLAIN[name]) == MEDIA_TYPES[name]


@pytest.mark.parametrize("name", [*DOCUMENTS, *PLAIN])
@pytest.mark.parametrize("piece_bytes", [1, 7, 4096])
def test_the_size_of_the_pieces_changes_nothing(name: str, piece_bytes: int) -> None:
    content = PLAIN[name] if name in PLAIN else zipped(DOCUMENTS[name])
    assert judged(content, piece_bytes=piece_bytes) == MEDIA_TYPES[name]


@pytest.mark.parametrize("folder", ["word", "xl", "ppt"])
def test_a_plain_zip_with_the_folder_of_an_office_document_is_a_zip(folder: str) -> None:
    assert judged(zipped([(f"{folder}/notes.txt", b"x"), ("other.txt", b"y")])) == MEDIA_TYPES["zip"]


@pytest.mark.parametrize("folder", ["word", "xl", "ppt"])
def test_an_office_document_with_macros_is_none_of_the_types_of_a_catalogue(folder: str) -> None:
    verdict = judged(zipped(ooxml(folder, (f"{folder}/vbaProject.bin", b"x"))))
    assert verdict is not None
    assert "macroEnabled" in verdict


def test_a_document_that_holds_another_one_is_itself() -> None:
    inner = zipped(DOCUMENTS["xlsx"])
    assert (
        judged(zipped(ooxml("word", ("word/embeddings/table.xlsx", inner)), zipfile.ZIP_STORED)) == MEDIA_TYPES["docx"]
    )
    assert judged(zipped([("table.xlsx", inner)], zipfile.ZIP_STORED)) == MEDIA_TYPES["zip"]


def test_a_mark_of_an_unknown_kind_makes_a_zip() -> None:
    assert judged(zipped([("mimetype", b"application/epub+zip"), ("META-INF/manifest.xml", b"")])) == MEDIA_TYPES["zip"]


def test_a_mark_that_unpacks_to_gigabytes_is_not_unpacked() -> None:
    members = [("mimetype", bytes(50_000_000)), ("META-INF/manifest.xml", b"")]
    content = zipped(members)
    tracemalloc.start()
    try:
        assert judged(content) == MEDIA_TYPES["zip"]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000


def test_a_mark_that_lies_about_its_size_is_not_unpacked_further() -> None:
    content = bytearray(zipped([("mimetype", bytes(5_000_000)), ("META-INF/manifest.xml", b"")]))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 40)
    assert judged(bytes(content)) == MEDIA_TYPES["zip"]


def test_an_empty_zip_is_a_zip() -> None:
    assert judged(zipped([])) == MEDIA_TYPES["zip"]


def test_a_zip_whose_list_of_members_is_longer_than_what_is_kept_is_a_zip() -> None:
    members = [(f"{'folder/' * 20}{number}.txt", b"") for number in range(4000)]
    assert judged(zipped(members)) == MEDIA_TYPES["zip"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_cut_off_document_is_unknown(name: str) -> None:
    assert judged(zipped(DOCUMENTS[name])[:-30]) is None


def test_an_old_word_file_is_told_wherever_its_directory_lies() -> None:
    for sector in (0, 1, 126, 127, 200, 1200):
        assert judged(ole(root_class=WORD_CLASS, directory_sector=sector, size_bytes=700_000)) == MEDIA_TYPES["doc"]


@pytest.mark.parametrize("piece_bytes", [100, 1000, 65536, 1_000_000])
def test_the_directory_of_an_old_word_file_may_come_in_pieces(piece_bytes: int) -> None:
    content = ole(root_class=WORD_CLASS, directory_sector=1000, size_bytes=600_000)
    assert judged(content, piece_bytes=piece_bytes) == MEDIA_TYPES["doc"]


def test_an_old_excel_file_is_not_taken_for_word() -> None:
    content = ole(root_class=EXCEL_CLASS, directory_sector=3, size_bytes=20_000)
    assert judged(content) not in {None, MEDIA_TYPES["doc"]}


@pytest.mark.parametrize("words", ["BMW made cars.", "MZ is an abbreviation.", "PK", "ID3 is a decision tree.", "GIF"])
def test_words_that_look_like_a_signature_are_text(words: str) -> None:
    assert judged(words.encode()) == MEDIA_TYPES["txt"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_text_is_text_in_the_encodings_that_people_have(encoding: str) -> None:
    words = "\N{LEFT DOUBLE QUOTATION MARK}Na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve\N{RIGHT DOUBLE QUOTATION MARK}\n"
    assert judged((words * 9000).encode(encoding)) == MEDIA_TYPES["txt"]


@pytest.mark.parametrize("content", [b"", b"a\0b", b"\x01\x02\x03", b"text" * 50_000 + b"\0" + b"text" * 50_000])
def test_nothing_and_unknown_bytes_have_no_type(content: bytes) -> None:
    assert judged(content) is None


@pytest.mark.parametrize("content", [b"MZ\x90\0" + bytes(100), b"\x7fELF" + bytes(60)])
def test_a_program_is_none_of_the_types_of_a_catalogue(content: bytes) -> None:
    assert judged(content) not in MEDIA_TYPES.values()


def test_memory_does_not_grow_with_the_file() -> None:
    judge, chunk = TypeJudge(), b"PK\x03\x04" + os.urandom(65532)
    tracemalloc.start()
    try:
        for _ in range(400):
            judge.feed(chunk)
        judge.verdict()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * 1024 * 1024


@given(st.sampled_from(sorted(DOCUMENTS)), st.integers(0, 5000), st.binary(min_size=1, max_size=8))
def test_no_damage_makes_the_judge_fail(name: str, place: int, damage: bytes) -> None:
    content = bytearray(zipped(DOCUMENTS[name]))
    place = len(content) - 1 - place % len(content)
    content[place : place + len(damage)] = damage
    assert judged(bytes(content)) is None or isinstance(judged(bytes(content)), str)


@given(st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", OLE, b"\xff\xfe", b""]), st.binary(max_size=2000))
def test_no_bytes_make_the_judge_fail(signature: bytes, content: bytes) -> None:
    verdict = judged(signature + content, piece_bytes=97)
    assert verdict is None or "/" in verdict
