"""A finished world of rows, objects and receipts for the audit, which a test then damages."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from services.operations.trail.domain import extend

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ASSIGNMENT = "K827-26J-TMA01"

Row = dict[str, Any]


class ListInspection:
    """The streams of one service as lists."""

    def __init__(self, **streams: list[Row]) -> None:
        self.streams = streams
        self.kinds: Mapping[str, str] = dict.fromkeys(streams, "rows")
        self.figures: dict[str, object] = {}

    def facts(self, kind: str, *, after: str = "", limit: int = 1000) -> list[dict[str, object]]:
        rows = [{**row, "position": str(place)} for place, row in enumerate(self.streams[kind], start=1)]
        return rows[int(after or 0) :][: min(limit, 2)]

    def status(self) -> dict[str, object]:
        return self.figures


def sign(claims: Mapping[str, object]) -> str:
    """Make something of the shape of a JWS that `verify` accepts."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{body}.{_signature(body)}"


def verify(receipt: str) -> Mapping[str, Any]:
    """Return the claims of what `sign` made; raises `ValueError` for everything else."""
    _, body, signature = receipt.split(".")
    if signature != _signature(body):
        message = "bad signature"
        raise ValueError(message)
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _signature(body: str) -> str:
    return hashlib.sha512(f"secret {body}".encode()).hexdigest()


@dataclass
class World:
    """Rows of all streams; tests break one thing and audit."""

    versions: list[Row] = field(default_factory=list)
    submission_outbox: list[Row] = field(default_factory=list)
    marking_outbox: list[Row] = field(default_factory=list)
    rulings: list[Row] = field(default_factory=list)
    scripts: list[Row] = field(default_factory=list)
    obligations: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)

    def hand_in(self, person_ref: str, *, version: int = 1, taken: bool = True, moment: datetime = NOON) -> str:
        """Add a version with all that comes of it; returns its submission id."""
        work_id = str(uuid5(NAMESPACE_URL, ASSIGNMENT + person_ref))
        submission_id = f"s-{person_ref}-{version}"
        content = f"the work of {submission_id}".encode()
        row = {
            **_version(submission_id, work_id, version, content),
            "person_ref": person_ref,
            "submitted_by": person_ref,
            "arrived_at": moment.isoformat(),
        }
        self.contents[submission_id] = content
        self.versions.append(row)
        received = self._fact("submission.SubmissionReceived", work_id, moment, {**row, "receipt": None})
        self._tell(received, person_ref, "receipt", work_id)
        ruling = "taken" if taken else "not_taken"
        self.rulings.append(
            {"submission_id": submission_id, "work_id": work_id, "version": version, "ruling": ruling, "reason": None}
        )
        self._mark(row, taken=taken, moment=moment)
        return submission_id

    def _mark(self, row: Row, *, taken: bool, moment: datetime) -> None:
        work_id, submission_id, person_ref = row["work_id"], row["submission_id"], row["person_ref"]
        said = {"work_id": work_id, "submission_id": submission_id, "person_ref": person_ref, "tutor_ref": "tutor-1"}
        if not taken:
            refused = self._fact("marking.VersionNotTaken", work_id, moment, said)
            self._tell(refused, person_ref, "version_not_taken", work_id)
            self._tell(refused, "tutor-1", "version_question", work_id)
        elif row["version"] == 1:
            allocated = self._fact("marking.ScriptAllocated", work_id, moment, said)
            self._tell(allocated, "tutor-1", "new_script", work_id)
            self.scripts.append(
                {
                    "work_id": work_id,
                    "state": "allocated",
                    "waits_for": None,
                    "tutor_ref": "tutor-1",
                    "taken_submission_id": submission_id,
                }
            )

    def _fact(self, kind: str, work_id: str, moment: datetime, said: Row) -> str:
        producer, name = kind.split(".")
        outbox = self.submission_outbox if producer == "submission" else self.marking_outbox
        ce_id = f"e-{producer}-{len(outbox) + 1}"
        outbox.append(
            {
                "ce_id": ce_id,
                "type": f"etma.{producer}.{name}.v1",
                "key": work_id,
                "recorded_at": moment.isoformat(),
                "published_at": moment.isoformat(),
                "value": json.dumps(said),
            }
        )
        return ce_id

    def _tell(self, event_id: str, person_ref: str, purpose: str, work_id: str) -> None:
        delivery_id = f"d-{len(self.deliveries) + 1}"
        self.deliveries.append({"delivery_id": delivery_id, "state": "sent", "message_id": f"<{delivery_id}@etma>"})
        self.obligations.append(
            {
                "event_id": event_id,
                "person_ref": person_ref,
                "purpose": purpose,
                "work_id": work_id,
                "state": "assigned",
                "waits_for": None,
                "delivery_id": delivery_id,
            }
        )

    def trail(self) -> list[Row]:
        """Return the trail of all facts in the outboxes."""
        facts = [*self.submission_outbox, *self.marking_outbox]
        links = extend(None, ((fact["ce_id"], fact["value"].encode()) for fact in facts))
        return [
            {
                "ce_id": link.ce_id,
                "type": fact["type"],
                "occurred_at": fact["recorded_at"],
                "payload": fact["value"],
                "payload_sha256": link.payload_sha256,
                "chain": link.chain,
            }
            for link, fact in zip(links, facts, strict=True)
        ]

    def inspections(self) -> dict[str, ListInspection]:
        """Return the services' streams as they are now."""
        return {
            "submission": ListInspection(versions=self.versions, refusals=[], outbox=self.submission_outbox),
            "marking": ListInspection(rulings=self.rulings, scripts=self.scripts, outbox=self.marking_outbox),
            "notifier": ListInspection(obligations=self.obligations, deliveries=self.deliveries, outbox=[]),
            "operations": ListInspection(trail=self.trail(), outbox=[]),
        }

    def keep_receipts(self, folder: Path, receipts: Sequence[str] | None = None) -> Path:
        """Write the receipts down as a client does, and return the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = [row["receipt"] for row in self.versions] if receipts is None else receipts
        (folder / "client.jsonl").write_text("".join(f"{receipt}\n" for receipt in kept), encoding="ascii")
        return folder


def _version(submission_id: str, work_id: str, version: int, content: bytes) -> Row:
    digest = hashlib.sha256(content).hexdigest()
    said: Row = {
        "work_id": work_id,
        "submission_id": submission_id,
        "version": version,
        "sha256": digest,
        "size_bytes": len(content),
    }
    receipt_id = f"r-{submission_id}"
    return {
        **said,
        "assignment_id": ASSIGNMENT,
        "object_key": f"work/{submission_id}",
        "object_version": "1",
        "receipt_id": receipt_id,
        "receipt": sign({**said, "work": work_id, "jti": receipt_id}),
        "band": "on_time",
    }


def finished_world() -> World:
    """Three students; one handed in three times and was too late with the last."""
    world = World()
    world.hand_in("ann")
    world.hand_in("bob")
    world.hand_in("cy")
    world.hand_in("cy", version=2)
    world.hand_in("cy", version=3, taken=False)
    return world
