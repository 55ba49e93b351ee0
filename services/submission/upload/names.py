"""File names are data: shown, never used as a path."""

from __future__ import annotations

import unicodedata

UNNAMED = "unnamed"
"""What a file is called whose name has nothing left that may be shown: its content counts, not its name."""

_CONTROLS = {"Cc", "Zl", "Zp"}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(raw: str) -> str:
    """The name without folders, control characters, line ends and marks of direction; may be empty."""
    base = raw.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in base if unicodedata.category(char) not in _CONTROLS and char not in _BIDI).strip()
