"""A finished world of rows, objects and receipts for the audit, which a test then damages."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.operations.reconciliation.streams import envelope_of
from services.operations.trail.domain import Entry, extend
from shared.contracts import work_id_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PRESENTATION = "K827-26J"
ASSIGNMENT = "K827-26J-TMA01"
CATALOGUE: Mapping[str, tuple[str, str]] = {
    "assignments": ("AssignmentDefined", "assignment_id"),
    "enrolments": ("EnrolmentRecorded", "enrolment_id"),
    "tutors": ("TutorRecorded", "tutor_id"),
    "groups": ("TutorGroupRecorded", "group_id"),
}

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
    refusals: list[Row] = field(default_factory=list)
    corrections: list[Row] = field(default_factory=list)
    scans: list[Row] = field(default_factory=list)
    orphans: list[Row] = field(default_factory=list)
    outboxes: dict[str, list[Row]] = field(
        default_factory=lambda: {name: [] for name in ("identity", "submission", "marking", "notifier", "operations")}
    )
    counters: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in ("identity", "submission", "marking", "notifier")}
    )
    rulings: list[Row] = field(default_factory=list)
    scripts: list[Row] = field(default_factory=list)
    questions: list[Row] = field(default_factory=list)
    obligations: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    catalogue: dict[str, list[Row]] = field(default_factory=lambda: {kind: [] for kind in CATALOGUE})
    persons: list[Row] = field(default_factory=list)
    known: dict[str, dict[str, list[Row]]] = field(default_factory=lambda: {"marking": {}, "notifier": {}})
    stages: list[Row] = field(default_factory=list)
    stage_counts: list[Row] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)

    @property
    def submission_outbox(self) -> list[Row]:
        return self.outboxes["submission"]

    @property
    def marking_outbox(self) -> list[Row]:
        return self.outboxes["marking"]

    def open(self, *students: str) -> None:
        """Add an assignment, its students, their tutor and the group; every service knows what it needs of them."""
        self._define("assignments", assignment_id=ASSIGNMENT, title="One", cut_off_at=CUT_OFF, allowed_types=["pdf"])
        for student in students:
            self._define("enrolments", enrolment_id=f"e:{student}", person_ref=student, status="active")
        self._define("tutors", tutor_id="t:tutor-1", person_ref="tutor-1")
        self._define("groups", group_id="G01", tutor_ref="tutor-1", member_refs=list(students))
        for person in (*students, "tutor-1"):
            self.persons.append({"person_ref": person, "revision": 1})
            self._fact("identity.PersonRecorded", person, NOON, {"person_ref": person, "revision": 1, "name": person})
        self.known["marking"] = {
            "assignments": [dict(row) for row in self.catalogue["assignments"]],
            "groups": [{**row, "member_refs": sorted(row["member_refs"])} for row in self.catalogue["groups"]],
            "persons": [dict(row) for row in self.persons],
        }
        self.known["notifier"] = {
            "assignments": [_without(row, "allowed_types") for row in self.catalogue["assignments"]],
            "persons": [dict(row) for row in self.persons],
        }

    def _define(self, kind: str, **said: object) -> None:
        name, key = CATALOGUE[kind]
        row = {**said, "presentation_id": PRESENTATION, "revision": sum(map(len, self.catalogue.values())) + 1}
        self.catalogue[kind].append(row)
        self._fact(f"submission.{name}", str(said[key]), NOON, row)

    def hand_in(self, person_ref: str, *, version: int = 1, taken: bool = True, moment: datetime = NOON) -> str:
        """Add a version with all that comes of it; returns its submission id."""
        work_id = work_id_of(ASSIGNMENT, person_ref)
        submission_id = f"s-{person_ref}-{version}"
        content = f"the work of {submission_id}".encode()
        row = _version(submission_id, person_ref, version, content, moment)
        self.contents[submission_id] = content
        self.versions.append(row)
        hidden = ("receipt", "ruling", "ruling_reason", "collected_at", "decision", "decided_at")
        received = self._fact("submission.SubmissionReceived", work_id, moment, _without(row, *hidden))
        self._tell(received, person_ref, "receipt", work_id, moment)
        self._rule(row, taken=taken, moment=moment)
        return submission_id

    def refuse(self, person_ref: str) -> None:
        """Add an attempt that was refused, with all that comes of it."""
        work_id = work_id_of(ASSIGNMENT, person_ref)
        row = {
            "refusal_id": f"refusal-{person_ref}",
            "work_id": work_id,
            "assignment_id": ASSIGNMENT,
            "person_ref": person_ref,
            "submitted_by": person_ref,
            "reason": "empty",
            "refused_at": NOON.isoformat(),
        }
        self.refusals.append(row)
        refused = self._fact("submission.SubmissionRefused", work_id, NOON, row)
        self._tell(refused, person_ref, "refused", work_id, NOON)
        self._count("refused")

    def correct(self, submission_id: str, band: str) -> None:
        """Rule anew on the lateness of a version, with all that comes of it."""
        (version,) = (row for row in self.versions if row["submission_id"] == submission_id)
        (ruling,) = (row for row in self.rulings if row["submission_id"] == submission_id)
        work_id, person_ref = version["work_id"], version["person_ref"]
        number = len(self.corrections) + 1
        row = {
            "ruling_id": f"ruling-{number}",
            "submission_id": submission_id,
            "work_id": work_id,
            "band": band,
            "cut_off_revision": number + 1,
            "corrected_at": NOON.isoformat(),
        }
        self.corrections.append(row)
        said = {**row, "person_ref": person_ref, "assignment_id": ASSIGNMENT}
        corrected = self._fact("submission.LatenessCorrected", work_id, NOON, said)
        self._tell(corrected, person_ref, "lateness_corrected", work_id, NOON)
        for shown in (version, ruling):
            shown["corrected_band"] = band

    def expect_scan(self, submission_id: str) -> Row:
        """Let a version wait for the scanner."""
        (version,) = (row for row in self.versions if row["submission_id"] == submission_id)
        scan = {
            **{name: version[name] for name in ("submission_id", "work_id", "version")},
            "state": "scanning",
            "state_since": NOON.isoformat(),
            "wanted_at": NOON.isoformat(),
        }
        self.scans.append(scan)
        return scan

    def scan(self, submission_id: str, outcome: str) -> None:
        """Look through a version for malware, with all that comes of it but a word to a tutor who has it."""
        found = [row for row in self.scans if row["submission_id"] == submission_id]
        scan = found[0] if found else self.expect_scan(submission_id)
        (version,) = (row for row in self.versions if row["submission_id"] == submission_id)
        (ruling,) = (row for row in self.rulings if row["submission_id"] == submission_id)
        before = None if scan["state"] == "scanning" else scan["state"]
        scan |= {"state": outcome, "wanted_at": None}
        ruling["scan_outcome"] = outcome
        said = {
            **{name: version[name] for name in ("submission_id", "work_id", "version", "assignment_id", "person_ref")},
            "outcome": outcome,
            "outcome_before": before,
        }
        event_id = self._fact("submission.SubmissionScanned", version["work_id"], NOON, said)
        if outcome == "blocked":
            self._tell(event_id, version["person_ref"], "malware_found", version["work_id"], NOON)
            self._tell(event_id, "operations", "work_blocked", version["work_id"], NOON)

    def collect(self, person_ref: str) -> None:
        """Let the tutor collect a work."""
        (script,) = (row for row in self.scripts if row["person_ref"] == person_ref)
        script |= {"state": "collected", "collected_at": NOON.isoformat()}
        for version in self.versions:
            if version["submission_id"] == script["taken_submission_id"]:
                version["collected_at"] = NOON.isoformat()
        said = {
            **{name: script[name] for name in ("work_id", "assignment_id", "person_ref", "tutor_ref", "collected_at")},
            "submission_id": script["taken_submission_id"],
            "version": script["taken_version"],
        }
        self._fact("marking.ScriptCollected", script["work_id"], NOON, said)
        self._stage(script, "collected")

    def hold(self, person_ref: str) -> None:
        """Take a work from its tutor: it waits for a group."""
        (script,) = (row for row in self.scripts if row["person_ref"] == person_ref)
        script |= {"state": "held", "waits_for": "group", "tutor_ref": None}
        said = {name: script[name] for name in ("work_id", "assignment_id", "person_ref", "waits_for")}
        self._fact("marking.ScriptHeld", script["work_id"], NOON, said)
        self._stage(script, "held")

    def _rule(self, row: Row, *, taken: bool, moment: datetime) -> None:
        row |= {"ruling": "taken" if taken else "not_taken", "ruling_reason": None if taken else "collected"}
        copied = ("object_key", "object_version", "media_type", "size_bytes", "sha256", "band", "arrived_at")
        of_version = ("submission_id", "work_id", "version")
        self.rulings.append(
            {
                **{name: row[name] for name in (*of_version, *copied, "ruling")},
                "reason": row["ruling_reason"],
                "ruled_at": moment.isoformat(),
            }
        )
        said = {name: row[name] for name in (*of_version, "assignment_id", "person_ref")}
        if taken:
            self._fact("marking.VersionTaken", row["work_id"], moment, said)
            self._take(row, moment)
            return
        not_taken = {**said, "tutor_ref": "tutor-1", "reason": "collected"}
        event_id = self._fact("marking.VersionNotTaken", row["work_id"], moment, not_taken)
        self._tell(event_id, row["person_ref"], "version_not_taken", row["work_id"], moment)
        self._tell(event_id, "tutor-1", "version_question", row["work_id"], moment)
        self._ask(row, moment)

    def _ask(self, row: Row, moment: datetime) -> None:
        (script,) = (each for each in self.scripts if each["work_id"] == row["work_id"])
        for question in self.questions:
            if (question["work_id"], question["state"]) == (row["work_id"], "open"):
                question |= {"state": "superseded", "closed_at": moment.isoformat()}
        self.questions.append(
            {
                **{name: row[name] for name in ("submission_id", "work_id", "version")},
                "earlier_submission_id": script["taken_submission_id"],
                "earlier_version": script["taken_version"],
                "state": "open",
                "opened_at": moment.isoformat(),
                "closed_at": None,
                "decided_by": None,
                "tutor_ref": script["tutor_ref"],
            }
        )

    def choose(self, submission_id: str, *, take: bool) -> None:
        """Let the tutor answer the question about a version."""
        (question,) = (row for row in self.questions if row["submission_id"] == submission_id)
        (version,) = (row for row in self.versions if row["submission_id"] == submission_id)
        (script,) = (row for row in self.scripts if row["work_id"] == question["work_id"])
        state, decision, word = ("taken", "taken", "Taken") if take else ("kept", "declined", "Declined")
        question |= {"state": state, "closed_at": NOON.isoformat(), "decided_by": "tutor-1"}
        version |= {"decision": decision, "decided_at": NOON.isoformat()}
        of_question = ("work_id", "submission_id", "version", "earlier_submission_id", "earlier_version")
        said = {
            **{name: question[name] for name in of_question},
            **{name: script[name] for name in ("assignment_id", "person_ref", "tutor_ref")},
            "decided_at": NOON.isoformat(),
        }
        event_id = self._fact(f"marking.LaterVersion{word}", script["work_id"], NOON, said)
        self._tell(event_id, script["person_ref"], f"later_version_{word.lower()}", script["work_id"], NOON)
        if take:
            script |= {"state": "allocated", "taken_submission_id": submission_id, "taken_version": version["version"]}
            self._stage(script, "allocated")

    def _take(self, row: Row, moment: datetime) -> None:
        taken = {"taken_submission_id": row["submission_id"], "taken_version": row["version"]}
        known = [script for script in self.scripts if script["work_id"] == row["work_id"]]
        for script in known:
            script.update(taken)
        if known:
            return
        of_work = {name: row[name] for name in ("work_id", "assignment_id", "presentation_id", "person_ref")}
        placed = {"state": "allocated", "state_since": moment.isoformat(), "waits_for": None, "tutor_ref": "tutor-1"}
        script = {**of_work, **taken, **placed, "collected_at": None}
        self.scripts.append(script)
        said = {**of_work, "tutor_ref": "tutor-1", "group_id": "G01", "reason": "tutor_group"}
        event_id = self._fact("marking.ScriptAllocated", row["work_id"], moment, said)
        self._tell(event_id, "tutor-1", "new_script", row["work_id"], moment)
        self._stage(script, "allocated")

    def _stage(self, script: Row, stage: str) -> None:
        for row in self.stages:
            if row["work_id"] == script["work_id"]:
                self._count(row["stage"], -1)
                self.stages.remove(row)
        self.stages.append(
            {"work_id": script["work_id"], "assignment_id": ASSIGNMENT, "stage": stage, "since": NOON.isoformat()}
        )
        self._count(stage)

    def _count(self, stage: str, change: int = 1) -> None:
        for row in self.stage_counts:
            if row["stage"] == stage:
                row["count"] += change
                return
        self.stage_counts.append({"assignment_id": ASSIGNMENT, "stage": stage, "count": change})

    def _fact(self, kind: str, key: str, moment: datetime, said: Row) -> str:
        producer, name = kind.split(".")
        outbox, counter = self.outboxes[producer], self.counters[producer]
        counter[key] += 1
        ce_id = f"e-{name}-{key}-{counter[key]}"
        outbox.append(
            {
                "ce_id": ce_id,
                "type": f"etma.{producer}.{name}.v1",
                "topic": f"etma.{producer}.v1",
                "key": key,
                "sequence": counter[key],
                "actor": "system",
                "correlation_id": f"c-{key}",
                "causation_id": None,
                "recorded_at": moment.isoformat(),
                "published_at": moment.isoformat(),
                "value": json.dumps(said),
            }
        )
        return ce_id

    def _tell(self, event_id: str, person_ref: str, purpose: str, work_id: str, moment: datetime) -> None:
        delivery_id = f"d-{len(self.deliveries) + 1}"
        said = {"delivery_id": delivery_id, "person_ref": person_ref}
        times = {"created_at": moment.isoformat(), "finished_at": moment.isoformat()}
        message = {"state": "sent", "reason": "", "message_id": f"<{delivery_id}@etma>"}
        self.deliveries.append({**said, **times, **message})
        self.obligations.append(
            {
                "event_id": event_id,
                "person_ref": person_ref,
                "purpose": purpose,
                "work_id": work_id,
                "created_at": moment.isoformat(),
                "state": "assigned",
                "waits_for": None,
                "delivery_id": delivery_id,
            }
        )
        sent = {**said, "purposes": [purpose], "work_ids": [work_id], "sent_at": moment.isoformat()}
        self._fact("notifier.DeliverySent", delivery_id, moment, sent)

    def take_back(self, delivery_id: str) -> None:
        """Make a message one that has not gone out yet: nothing was said of it."""
        (row,) = (row for row in self.deliveries if row["delivery_id"] == delivery_id)
        row |= {"state": "queued", "finished_at": None}
        self.outboxes["notifier"] = [fact for fact in self.outboxes["notifier"] if fact["key"] != delivery_id]
        del self.counters["notifier"][delivery_id]

    def say_failed(self, delivery_id: str) -> None:
        """Announce that a message could not be delivered."""
        (delivery,) = (row for row in self.deliveries if row["delivery_id"] == delivery_id)
        (owed,) = (row for row in self.obligations if row["delivery_id"] == delivery_id)
        said = {"purposes": [owed["purpose"]], "work_ids": [owed["work_id"]], "reason": delivery["reason"]}
        of_whom = {"delivery_id": delivery_id, "person_ref": delivery["person_ref"]}
        self._fact("notifier.DeliveryFailed", delivery_id, NOON, {**of_whom, **said})

    def put_off(self, obligation: Row, **waiting: object) -> None:
        """Make an obligation one that waits, without a message yet."""
        self.take_back(obligation["delivery_id"])
        self.deliveries = [row for row in self.deliveries if row["delivery_id"] != obligation["delivery_id"]]
        obligation |= {"delivery_id": None, **waiting}

    def trail(self) -> list[Row]:
        """Return the trail of all facts in the outboxes."""
        facts = [fact for outbox in self.outboxes.values() for fact in outbox]
        links = extend(None, (_entry(fact) for fact in facts))
        return [
            {
                **_without(fact, "value", "recorded_at", "published_at"),
                "occurred_at": fact["recorded_at"],
                "payload": None if "PersonRecorded" in fact["type"] else fact["value"],
                "payload_sha256": link.payload_sha256,
                "chain": link.chain,
            }
            for link, fact in zip(links, facts, strict=True)
        ]

    def inspections(self) -> dict[str, ListInspection]:
        """Return the services' streams as they are now."""
        own: dict[str, dict[str, list[Row]]] = {
            "identity": {"persons": self.persons},
            "submission": {
                "versions": self.versions,
                "refusals": self.refusals,
                "corrections": self.corrections,
                "scans": self.scans,
                "orphans": self.orphans,
                **self.catalogue,
            },
            "marking": {
                "rulings": self.rulings,
                "scripts": self.scripts,
                "questions": self.questions,
                **KNOWN["marking"],
                **self.known["marking"],
            },
            "notifier": {
                "obligations": self.obligations,
                "deliveries": self.deliveries,
                **KNOWN["notifier"],
                **self.known["notifier"],
            },
            "operations": {"trail": self.trail(), "stages": self.stages, "stage_counts": self.stage_counts},
        }
        return {
            service: ListInspection(
                **streams, outbox=self.outboxes[service], counters=self._counted(service), erased=[]
            )
            for service, streams in own.items()
        }

    def _counted(self, service: str) -> list[Row]:
        return [{"key": key, "sequence": count} for key, count in self.counters.get(service, Counter()).items()]

    def keep_receipts(self, folder: Path, receipts: Sequence[str] | None = None) -> Path:
        """Write the receipts down as a client does, and return the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = [row["receipt"] for row in self.versions] if receipts is None else receipts
        (folder / "client.jsonl").write_text("".join(f"{receipt}\n" for receipt in kept), encoding="ascii")
        return folder


CUT_OFF = (NOON + timedelta(days=1)).isoformat()
KNOWN: Mapping[str, Mapping[str, list[Row]]] = {
    "marking": {"assignments": [], "groups": [], "persons": []},
    "notifier": {"assignments": [], "persons": []},
}


def _entry(fact: Row) -> Entry:
    envelope = envelope_of({**fact, "occurred_at": fact["recorded_at"]})
    return Entry(ce_id=fact["ce_id"], envelope=envelope, payload=fact["value"].encode())


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _version(submission_id: str, person_ref: str, version: int, content: bytes, moment: datetime) -> Row:
    said: Row = {
        "submission_id": submission_id,
        "version": version,
        "submitted_by": person_ref,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "arrived_at": moment.isoformat(),
        "cut_off_at": CUT_OFF,
    }
    work_id, receipt_id = work_id_of(ASSIGNMENT, person_ref), f"r-{submission_id}"
    claims = {
        **said,
        "work": work_id,
        "jti": receipt_id,
        "assignment": ASSIGNMENT,
        "student": person_ref,
        "ruling": "on_time",
        "started_at": moment.isoformat(),
    }
    return {
        **said,
        "work_id": work_id,
        "person_ref": person_ref,
        "assignment_id": ASSIGNMENT,
        "presentation_id": PRESENTATION,
        "channel": "api",
        "media_type": "application/pdf",
        "upload_started_at": moment.isoformat(),
        "cut_off_revision": 1,
        "object_key": f"work/{submission_id}",
        "object_version": "1",
        "receipt_id": receipt_id,
        "receipt": sign(claims),
        "band": "on_time",
        "ruling": None,
        "ruling_reason": None,
        "collected_at": None,
        "decision": None,
        "decided_at": None,
    }


def finished_world() -> World:
    """Three students; one handed in three times, the last time after the tutor had collected; one refused attempt.

    The tutor has not said yet which version is marked.
    """
    world = World()
    world.open("ann", "bob", "cy")
    world.hand_in("ann")
    world.hand_in("bob")
    world.hand_in("cy")
    world.hand_in("cy", version=2)
    world.collect("cy")
    world.hand_in("cy", version=3, taken=False)
    world.refuse("bob")
    return world
