"""The types of files that work may have: what facts name them, and what people and file names call them."""

from __future__ import annotations

from typing import Final

MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "rtf": "application/rtf",
    "zip": "application/zip",
    "png": "image/png",
    "jpg": "image/jpeg",
    "txt": "text/plain",
}
"""The media type by its short name, which is also the end of a file's name."""
