"""Reads one file out of a multipart body as it streams in, in constant memory."""

from __future__ import annotations

from collections.abc import Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.errors import Rejected

FIELD_BYTES = 64 * 1024
_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")


class BadUpload(Rejected):
    """The body is not one file in a form."""

    code = "bad_upload"
    status = 400
    title = "The upload cannot be read"


class MultipartFile:
    """Feed it the body; it calls `on_name` once with the file's raw name, then `on_bytes` with the file's bytes.

    The file is the part named `file`; there must be exactly one, and it must have a name (a browser sends an empty one
    when nothing was chosen). Other fields are kept in `fields` as text, 64 KiB in all with the parts' headers.
    Raises `BadUpload`, from `feed` and `close`; what `on_name` and `on_bytes` raise comes out of `feed`.
    """

    def __init__(self, content_type: str, *, on_name: Callable[[str], None], on_bytes: Callable[[bytes], None]) -> None:
        self.fields: dict[str, str] = {}
        self._on_name = on_name
        self._on_bytes = on_bytes
        self._files = 0
        self._in_file = False
        self._ended = False
        self._field_bytes = 0
        self._forget_part()
        self._parser = self._parser_for(_boundary(content_type))

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            detail = "The form was sent in a way that cannot be read. Please send it again."
            raise BadUpload(detail) from error

    def close(self) -> None:
        """Say that the body is over; raises when it was cut off or held no file."""
        if not self._ended:
            detail = "The upload was cut off before its end. Nothing was handed in; please send it again."
            raise BadUpload(detail)
        if self._files == 0:
            detail = "Please choose a file: the form had no part named 'file'."
            raise BadUpload(detail)

    def _parser_for(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._forget_part,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._part_begins,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_ends,
                    "on_end": self._body_ends,
                },
            )
        except FormParserError as error:
            detail = "The content type names a boundary that is too long."
            raise BadUpload(detail) from error

    def _forget_part(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self._field = ""
        self._text = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._spend(len(self._name) + len(self._value))
        self._headers[self._name.lower()] = self._value.strip()
        self._name = self._value = b""

    def _part_begins(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        encoding = self._headers.get(b"content-transfer-encoding", b"").lower()
        if kind != b"form-data" or b"name" not in options or encoding not in _PLAIN_ENCODINGS:
            detail = "The form was sent in a way that cannot be read. Please send it again."
            raise BadUpload(detail)
        self._field = options[b"name"].decode("utf-8", "replace")
        file_name = _unescaped(options.get(b"filename", b"")).decode("utf-8", "replace")
        self._in_file = self._field == "file" and file_name != ""
        if file_name:
            self._file_begins(file_name)

    def _file_begins(self, file_name: str) -> None:
        self._files += 1
        if self._files > 1:
            detail = "Please hand in one file: put several files into one zip."
            raise BadUpload(detail)
        if not self._in_file:
            detail = "The file must be in the part named 'file'."
            raise BadUpload(detail)
        self._on_name(file_name)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._on_bytes(data[start:end])
            return
        self._spend(end - start)
        self._text += data[start:end]

    def _spend(self, size_bytes: int) -> None:
        self._field_bytes += size_bytes
        if self._field_bytes > FIELD_BYTES:
            detail = "The form's fields are too long."
            raise BadUpload(detail)

    def _part_ends(self) -> None:
        if not self._in_file:
            self.fields[self._field] = self._text.decode("utf-8", "replace")

    def _body_ends(self) -> None:
        self._ended = True


def _unescaped(file_name: bytes) -> bytes:
    """As it was before the browser escaped what would end it (HTML Living Standard, multipart form data)."""
    return file_name.replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n")


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type.encode("utf-8", "replace"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        detail = "Please send the file as multipart/form-data, in a part named 'file'."
        raise BadUpload(detail)
    return options[b"boundary"]
