"""Receipts as clients kept them: files with one JWS a line, `*.jsonl`, `*.txt` or as our page saves them `*.jws`.

A client that is killed while it writes leaves a torn last line without a newline: that receipt was never held, and the
line is passed over. A last line that is whole but for its newline counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SUFFIXES = frozenset({".jsonl", ".jws", ".txt"})
PARTS = 3
SIGNATURE_LENGTH = 86
"""Of an Ed25519 signature in base64url without padding."""


def receipts_under(folder: Path) -> Iterator[tuple[str, str]]:
    """Return every receipt in the folder and below with its place (`file:line`), in order; raises `OSError`."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()):
        yield from receipts_in(path)


def receipts_in(path: Path) -> Iterator[tuple[str, str]]:
    """Return the receipts of one file with their places, without the torn end that a crash may have left."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            receipt = line.strip()
            if receipt and (line.endswith("\n") or _whole(receipt)):
                yield f"{path.name}:{number}", receipt


def _whole(receipt: str) -> bool:
    parts = receipt.split(".")
    return len(parts) == PARTS and len(parts[-1]) >= SIGNATURE_LENGTH
