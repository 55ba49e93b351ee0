"""What a file is, judged from its bytes while they pass by, never from its name.

Signatures are the library's (`filetype`). It cannot tell an office document from a plain zip with a folder of the same
name, nor find an OpenDocument mark that is not the first member; so a zip is judged by its list of members, read by the
standard library from the end of the file. No member is unpacked but a `mimetype` of at most 64 KiB.
"""

from __future__ import annotations

import codecs
import io
import struct
import zipfile
import zlib

import filetype

from shared.contracts import MEDIA_TYPES

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 256 * 1024
_MAX_MIMETYPE_BYTES = 64 * 1024

_KNOWN = frozenset(MEDIA_TYPES.values())
_OOXML_FOLDERS = {
    "word/": (MEDIA_TYPES["docx"], "application/vnd.ms-word.document.macroEnabled.12"),
    "xl/": (MEDIA_TYPES["xlsx"], "application/vnd.ms-excel.sheet.macroEnabled.12"),
    "ppt/": (MEDIA_TYPES["pptx"], "application/vnd.ms-powerpoint.presentation.macroEnabled.12"),
}
_ODF_TYPES = frozenset({MEDIA_TYPES["odt"], MEDIA_TYPES["ods"], MEDIA_TYPES["odp"]})

_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    LookupError,
    NotImplementedError,
    RuntimeError,
)

_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE = "application/x-ole-storage"
_OLE_HEADER_BYTES = 512
_OLE_ENTRY_BYTES = 128
_OLE_ENTRIES_BYTES = 4 * _OLE_ENTRY_BYTES
_WORD_CLASSES = (
    bytes.fromhex("0609020000000000c000000000000046"),
    bytes.fromhex("0009020000000000c000000000000046"),
)
_WORD_STREAM = "WordDocument\0".encode("utf-16-le")

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TEXT_BYTES = bytes([*b"\t\n\f\r", *range(0x20, 0x7F), *range(0x80, 0x100)])


class TypeJudge:
    """Fed with all chunks of a file in order, says its media type at the end; memory is bounded, nothing is read twice.

    Text is what has no control characters, in UTF-8 or an older encoding, or begins as UTF-16.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._size_bytes = 0
        self._text = True
        self._directory = _OleDirectory()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        self._text = self._text and not chunk.translate(None, _TEXT_BYTES)
        self._directory.feed(chunk, offset=self._size_bytes, head=self._head)
        self._keep_tail(chunk)
        self._size_bytes += len(chunk)

    def verdict(self) -> str | None:
        """The media type such as `application/pdf`; None for an empty, a broken or an unknown file."""
        head = bytes(self._head)
        if head.startswith(_ZIP_SIGNATURES):
            return _judge_zip(_Window(head, bytes(self._tail), self._size_bytes))
        guess: str | None = filetype.guess_mime(head) if head else None
        if head.startswith(_OLE_SIGNATURE):
            return MEDIA_TYPES["doc"] if self._directory.is_word() else guess or _OLE
        if guess in _KNOWN:
            return guess
        return MEDIA_TYPES["txt"] if self._is_text(head) else guess

    def _keep_tail(self, chunk: bytes) -> None:
        self._tail += chunk
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def _is_text(self, head: bytes) -> bool:
        return bool(head) and (self._text or _is_utf16(head))


class _OleDirectory:
    """The first directory sector of an old Office file: its root entry says which program made it.

    Such files keep their list of streams anywhere; the header says where, so the bytes are caught as they pass.
    """

    def __init__(self) -> None:
        self._entries = bytearray()

    def feed(self, chunk: bytes, *, offset: int, head: bytearray) -> None:
        if len(head) < _OLE_HEADER_BYTES or not head.startswith(_OLE_SIGNATURE):
            return
        shift, sector = struct.unpack_from("<H16xI", head, 30)
        start = (sector + 1) << min(shift, 12)
        if start < HEAD_BYTES:
            self._entries = head[start : start + _OLE_ENTRIES_BYTES]
            return
        begin = max(start + len(self._entries) - offset, 0)
        wanted = _OLE_ENTRIES_BYTES - len(self._entries)
        self._entries += chunk[begin : begin + wanted]

    def is_word(self) -> bool:
        entries = bytes(self._entries)
        by_class = entries[80:96] in _WORD_CLASSES
        return by_class or any(entries.startswith(_WORD_STREAM, at) for at in range(0, len(entries), _OLE_ENTRY_BYTES))


def _is_utf16(head: bytes) -> bool:
    if not head.startswith(_UTF16_MARKS):
        return False
    try:
        return "\0" not in codecs.getincrementaldecoder("utf-16")().decode(head)
    except UnicodeDecodeError:
        return False


class _PassedByError(OSError):
    """Bytes were asked for that are neither in the head nor in the tail."""


class _Window(io.RawIOBase):
    """A file of which only the beginning and the end are there; reading what lies between raises `_PassedByError`."""

    def __init__(self, head: bytes, tail: bytes, size_bytes: int) -> None:
        super().__init__()
        self._head = head
        self._tail = tail
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            message = "before the beginning"
            raise OSError(message)
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        begin = min(self._position, self._size_bytes)
        end = self._size_bytes if size < 0 else min(begin + size, self._size_bytes)
        piece = self._slice(begin, end)
        self._position = end
        return piece

    def _slice(self, begin: int, end: int) -> bytes:
        if end <= len(self._head):
            return self._head[begin:end]
        tail_begins = self._size_bytes - len(self._tail)
        if begin < tail_begins:
            raise _PassedByError
        return self._tail[begin - tail_begins : end - tail_begins]


def _judge_zip(window: _Window) -> str | None:
    """A zip whose list of members is broken is unknown; one whose list is longer than the tail is no document."""
    try:
        with zipfile.ZipFile(window) as archive:
            return _judge_members(archive)
    except _PassedByError:
        return MEDIA_TYPES["zip"]
    except _BROKEN_ZIP:
        return None


def _judge_members(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    if "[Content_Types].xml" in names and "_rels/.rels" in names:
        return _judge_ooxml(names)
    if "mimetype" in names and "META-INF/manifest.xml" in names:
        return _judge_odf(archive)
    return MEDIA_TYPES["zip"]


def _judge_ooxml(names: list[str]) -> str:
    found = [folder for folder in _OOXML_FOLDERS if any(name.startswith(folder) for name in names)]
    if len(found) != 1:
        return MEDIA_TYPES["zip"]
    plain, with_macros = _OOXML_FOLDERS[found[0]]
    return with_macros if f"{found[0]}vbaProject.bin" in names else plain


def _judge_odf(archive: zipfile.ZipFile) -> str:
    member = archive.getinfo("mimetype")
    if max(member.file_size, member.compress_size) > _MAX_MIMETYPE_BYTES:
        return MEDIA_TYPES["zip"]
    try:
        with archive.open(member) as mark:
            claimed = mark.read(_MAX_MIMETYPE_BYTES).decode("ascii", "replace").strip()
    except _BROKEN_ZIP:
        return MEDIA_TYPES["zip"]
    return claimed if claimed in _ODF_TYPES else MEDIA_TYPES["zip"]
