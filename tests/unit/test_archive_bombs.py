"""Archives that unpack to more than a machine has: judged by their lists of members, never unpacked."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping

import pytest

from services.submission.upload.media_type import TypeJudge
from shared.contracts import MEDIA_TYPES

MIB = 1024 * 1024
PIECE = 64 * 1024
ODT = MEDIA_TYPES["odt"].encode()


def zipped(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def nested(depth: int) -> bytes:
    """Each level has ten copies of the one below: ten to the power of the depth times 16 MiB."""
    content = bytes(16 * MIB)
    for level in range(depth):
        content = zipped({f"{level}-{number}": content for number in range(10)})
    return content


def with_a_lie(archive: bytes, name: bytes, claimed: int) -> bytes:
    """The same, whose list of members says of one that it has so many bytes unpacked."""
    entry = archive.rindex(b"PK\x01\x02", 0, archive.rindex(name))
    return archive[: entry + 24] + struct.pack("<I", claimed) + archive[entry + 28 :]


BOMBS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "nested": (lambda: nested(5), "zip"),
    "docx": (
        lambda: zipped({"[Content_Types].xml": b"", "_rels/.rels": b"", "word/document.xml": bytes(200 * MIB)}),
        "docx",
    ),
    "xlsx": (
        lambda: zipped({"[Content_Types].xml": b"", "_rels/.rels": b"", "xl/sheet.xml": bytes(200 * MIB)}),
        "xlsx",
    ),
    "odt whose mark is one": (
        lambda: zipped({"mimetype": bytes(200 * MIB), "META-INF/manifest.xml": b""}),
        "zip",
    ),
    "odt that lies about its mark": (
        lambda: with_a_lie(
            zipped({"mimetype": ODT + bytes(200 * MIB), "META-INF/manifest.xml": b""}), b"mimetype", len(ODT)
        ),
        "zip",
    ),
    "sixty thousand members": (lambda: zipped({f"{number:06}": b"" for number in range(60_000)}), "zip"),
}
"""How each is made, and what it is."""


@pytest.mark.parametrize("name", BOMBS)
def test_an_archive_is_judged_and_not_unpacked(name: str) -> None:
    make, kind = BOMBS[name]
    content = make()
    assert len(content) < 8 * MIB
    tracemalloc.start()
    judge = TypeJudge()
    for start in range(0, len(content), PIECE):
        judge.feed(content[start : start + PIECE])
    verdict = judge.verdict()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict == MEDIA_TYPES[kind]
    assert peak < 8 * MIB
