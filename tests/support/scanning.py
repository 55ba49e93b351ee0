"""A queue of versions to be scanned, on a database of its own, and a scanner without a network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from services.submission.scanning.domain import Scan, Verdict
from services.submission.scanning.handlers import Scanning
from services.submission.scanning.store import ScanStore, scan_table
from services.submission.scanning.views import ScanViews
from services.submission.submissions.store import version_table
from shared.contracts import ScanOutcome
from shared.database import Database
from shared.messaging.tables import outbox
from shared.storage.file_store import FileStore
from tests.support.databases import ManualClock

SCAN_POINTS = ("scanning.scanned", "scanning.concluded")
"""Every named moment of a scan at which a process may die: `shared/killpoints.py`."""


class ThoughtScanner:
    """Says what it was told to say; `error` is raised instead."""

    def __init__(self) -> None:
        self.verdict = Verdict(outcome=ScanOutcome.CLEAN)
        self.error: Exception | None = None

    def signatures(self) -> str:
        return "signatures"

    def scan(self, content: Iterable[bytes]) -> Verdict:
        for _ in content:
            """Read to the end."""
        if self.error:
            raise self.error
        return self.verdict


class Queue:
    """Versions arrive by `arrive`; `scanning` is one process at them."""

    def __init__(self, database: Database, clock: ManualClock, folder: Path) -> None:
        self.database = database
        self.clock = clock
        self.objects = FileStore(folder)
        self.scanner = ThoughtScanner()
        self.scanning = Scanning(
            database=database, objects=self.objects, scanner=self.scanner, store=ScanStore(), views=ScanViews()
        )

    def arrive(self, number: int) -> str:
        """A version that nobody expects yet; its submission id."""
        with self.objects.writer(f"works/{number}") as writer:
            writer.write(b"content")
            stored = writer.finish()
        row = dict.fromkeys(_WORDS, "x") | {
            "submission_id": f"s{number}",
            "work_id": f"w{number}",
            "version": 1,
            "idempotency_key": f"k{number}",
            "receipt_id": f"r{number}",
            "size_bytes": stored.size_bytes,
            "cut_off_revision": 1,
            "object_key": stored.key,
            "object_version": stored.version,
            **dict.fromkeys(("upload_started_at", "arrived_at", "cut_off_at"), self.clock.now()),
        }
        with self.database.transaction() as tx:
            tx.connection.execute(sa.insert(version_table), row)
        return f"s{number}"

    def expect(self, number: int) -> str:
        """A version that is to be scanned; its submission id."""
        submission_id = self.arrive(number)
        while self.scanning.adopt():
            """Page by page."""
        return submission_id

    def claim(self) -> Scan:
        claimed = self.scanning.claim()
        assert claimed is not None
        return claimed

    def states(self) -> dict[str, tuple[str, bool]]:
        """Of each version its state, and whether somebody is at it."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(scan_table).order_by(scan_table.c.position)).all()
        return {row.submission_id: (row.state, row.holder is not None) for row in rows}

    def said(self) -> int:
        """How many results were said."""
        with self.database.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()


_WORDS = (
    "assignment_id",
    "presentation_id",
    "person_ref",
    "submitted_by",
    "channel",
    "file_name",
    "media_type",
    "sha256",
    "band",
    "receipt",
)
