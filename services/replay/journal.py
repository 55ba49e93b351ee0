"""What a client keeps of its own: the receipts that it was given, synced to disk, and how long each took.

`receipts/client.jsonl` holds one receipt (a JWS in compact form) a line; it is all that a resumed replay goes by, and
what an audit from outside starts from. `timings.jsonl` holds a line for each stretch of work; losing its end to a crash
only makes the figures of speed less complete.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.disk import make_folder_durably, sync_file, sync_folder


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a receipt in the client's hands says; `receipt` is the JWS itself."""

    receipt: str
    assignment_id: str
    person_ref: str
    version: int
    submission_id: str
    work_id: str
    ruling: str


class Journal:
    """Receipts are held once `sync` has returned; what was only added is asked for again after a crash."""

    def __init__(self, folder: Path) -> None:
        self.receipts = folder / "receipts"
        self._timings_path = folder / "timings.jsonl"
        make_folder_durably(self.receipts)
        path = self.receipts / "client.jsonl"
        _cut_torn_end(path)
        _cut_torn_end(self._timings_path)
        self._lines = path.open("a", encoding="ascii")
        sync_folder(self.receipts)

    def held(self) -> Iterator[Held]:
        """All receipts, in the order in which they came."""
        with (self.receipts / "client.jsonl").open(encoding="ascii") as lines:
            for line in lines:
                yield held_of(line.strip())

    def add(self, receipt: str) -> None:
        self._lines.write(f"{receipt}\n")

    def sync(self, *, seconds: float, accept_ms: Sequence[float]) -> None:
        """Make what was added durable; note how long the stretch took and each acceptance in it, in milliseconds."""
        sync_file(self._lines)
        with self._timings_path.open("a", encoding="ascii") as timings:
            timings.write(json.dumps({"seconds": round(seconds, 4), "accept_ms": [round(ms, 2) for ms in accept_ms]}))
            timings.write("\n")

    def timings(self) -> tuple[float, list[float]]:
        """Seconds of all stretches together, and all acceptances in milliseconds."""
        seconds, accept_ms = 0.0, []
        with self._timings_path.open(encoding="ascii") as lines:
            for line in lines:
                stretch = json.loads(line)
                seconds += stretch["seconds"]
                accept_ms += stretch["accept_ms"]
        return seconds, accept_ms

    def close(self) -> None:
        self._lines.close()


def held_of(receipt: str) -> Held:
    """What the receipt says; its signature is the audit's business."""
    payload = receipt.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return Held(
        receipt=receipt,
        assignment_id=claims["assignment"],
        person_ref=claims["student"],
        version=claims["version"],
        submission_id=claims["submission_id"],
        work_id=claims["work"],
        ruling=claims["ruling"],
    )


def _cut_torn_end(path: Path) -> None:
    """Cut a last line that a crash left without its newline, so that the next one starts on a line of its own."""
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
