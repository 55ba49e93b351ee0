"""Looks through what came in for malware: beside the receipt, never before it, and without end while there is work."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from datetime import timedelta

import structlog

from services.submission.scanning.domain import Scan, ScanState, conclude, let_go, put_off
from services.submission.scanning.port import Scanner, ScannerAway
from services.submission.scanning.store import ScanStore
from services.submission.scanning.views import ScanViews
from shared.contracts import ScanOutcome
from shared.database import Database, Transaction
from shared.errors import NotFound, Unavailable, public_name
from shared.killpoints import kill_point
from shared.storage.port import ObjectStore

VERSION_SECONDS = 5.0
"""How long what the scanner said of its signatures counts as known."""

log = structlog.get_logger()


class Stopped(Exception):
    """The process is to end; the next one goes on."""


class Scanning:
    """Of versions that are to be scanned, one at a time, each outside any transaction."""

    def __init__(
        self, *, database: Database, objects: ObjectStore, scanner: Scanner, store: ScanStore, views: ScanViews
    ) -> None:
        self.database = database
        self.objects = objects
        self.scanner = scanner
        self.store = store
        self.views = views
        self._adopted = 0

    def adopt(self) -> int:
        """Expect versions that came in while nobody scanned: one page of all; 0 behind the last."""
        with self.database.transaction() as tx:
            self._adopted = self.store.adopt(self._adopted, tx)
        return self._adopted

    def free_all(self) -> None:
        """For a start at which nobody else is there: whoever had a file in hand is gone."""
        with self.database.transaction() as tx:
            self.store.free_all(tx)

    def claim(self) -> Scan | None:
        """Take one that is due in hand."""
        now = self.database.clock.now()
        with self.database.reading() as connection:
            if not self.views.is_due(connection, now):
                return None
        with self.database.transaction() as tx:
            return self.store.claim(str(uuid.uuid4()), tx)

    def scan(self, scan: Scan, signatures: str, stop: threading.Event) -> None:
        """Bring it to an end, or put it off; raises `Unavailable` and then lets go of it."""
        try:
            with closing(self._content(scan, stop)) as content:
                verdict = self.scanner.scan(content)
        except (Stopped, Unavailable) as error:
            self._change(scan, lambda held, tx: self.store.save(let_go(held, now=tx.now), tx))
            if isinstance(error, Unavailable):
                raise
        except Exception as error:
            log.warning("scan.failed", submission_id=scan.submission_id, error=public_name(error), exc_info=error)
            self._change(scan, lambda held, tx: self.store.save(put_off(held, now=tx.now), tx))
        else:
            kill_point("scanning.scanned")

            def finish(held: Scan, tx: Transaction) -> None:
                concluded, fact = conclude(held, verdict, signatures, now=tx.now)
                self.store.save(concluded, tx)
                if fact:
                    tx.publish(fact)

            self._change(scan, finish)
            kill_point("scanning.concluded")
            if verdict.outcome is not ScanOutcome.CLEAN:
                log.warning("scan.not_clean", submission_id=scan.submission_id, outcome=str(verdict.outcome))

    def want_stale(self, signatures: str, period: timedelta) -> int:
        """Want again what arrived within the period and was scanned with other signatures: one step; how many."""
        with self.database.transaction() as tx:
            return self.store.want_stale(signatures, tx.now - period, tx)

    def _content(self, scan: Scan, stop: threading.Event) -> Generator[bytes]:
        """The file in pieces, opened when the scanner takes the first; raises `Stopped` between two."""
        for piece in self.objects.read(scan.object_key, scan.object_version):
            if stop.is_set():
                raise Stopped
            yield piece

    def _change(self, scan: Scan, change: Callable[[Scan, Transaction], None]) -> None:
        """Change it, unless another has taken it over: that one's result counts."""
        with self.database.transaction() as tx:
            tx.lock(scan.work_id)
            held = self.store.held(scan.submission_id, scan.holder or "", tx)
            if held is None:
                log.warning("scan.taken_over", submission_id=scan.submission_id)
                return
            change(held, tx)


class ScanningLoop:
    """Scans what is due; when nothing is, it wants again what was scanned with older signatures.

    Raises `ScannerAway` while the scanner is away: nothing is taken in hand then, and all wait.
    """

    name = "submission.scanning"

    def __init__(self, scanning: Scanning, *, rescan: timedelta) -> None:
        self.scanning = scanning
        self.rescan = rescan
        self._signatures = ""
        self._known_until = 0.0
        self._wanted_with = ""
        self._is_away = False

    def step(self, stop: threading.Event) -> bool:
        """Scan one; whether there was anything to do. Raises `Unavailable`."""
        try:
            return self._step(stop)
        except ScannerAway:
            self._known_until, self._is_away = 0.0, True
            raise

    def _step(self, stop: threading.Event) -> bool:
        signatures = self._known_signatures()
        claimed = self.scanning.claim()
        if claimed is None:
            return self._want_stale(signatures)
        self.scanning.scan(claimed, signatures, stop)
        return True

    def is_busy(self) -> bool:
        """Whether there is anything that could be scanned now; nothing can while the scanner is away."""
        database = self.scanning.database
        with database.reading() as connection:
            return not self._is_away and self.scanning.views.is_due(connection, database.clock.now())

    def _known_signatures(self) -> str:
        if time.monotonic() >= self._known_until:
            self._signatures = self.scanning.scanner.signatures()
            self._known_until = time.monotonic() + VERSION_SECONDS
            self._is_away = False
        return self._signatures

    def _want_stale(self, signatures: str) -> bool:
        """One step; once all are wanted, nothing is looked for until the signatures change again."""
        if signatures == self._wanted_with:
            return False
        if self.scanning.want_stale(signatures, self.rescan):
            return True
        self._wanted_with = signatures
        return False


class ScanDesk:
    """How the scans stand, and having them done again, for operations staff."""

    def __init__(self, database: Database, store: ScanStore, views: ScanViews) -> None:
        self.database = database
        self.store = store
        self.views = views

    def figures(self) -> Mapping[str, object]:
        """Counts by state; since when the oldest waits (None: none does); how many fail again and again."""
        with self.database.reading() as connection:
            since = self.views.waiting_since(connection)
            return {
                "malware_checks": self.views.counts(connection),
                "unchecked_since": since.isoformat() if since else None,
                "checks_failing": self.views.failing(connection),
            }

    def of_state(self, state: ScanState, *, limit: int) -> list[dict[str, object]]:
        """The versions in this state, those that have been in it longest first."""
        with self.database.reading() as connection:
            return [dict(row) for row in self.views.of_state(connection, state, limit=limit)]

    def again(self, submission_id: str) -> int:
        """Have this version scanned once more; raises `NotFound` for one that is not scanned at all."""
        with self.database.transaction() as tx:
            wanted = self.store.want(submission_id, tx)
        if not wanted:
            detail = "There is no such submission that was scanned, or it is being scanned at this moment."
            raise NotFound(detail)
        return wanted

    def all_again(self, state: ScanState) -> int:
        """Have all of this state scanned once more; how many."""
        with self.database.transaction() as tx:
            return self.store.want_all(state, tx)
