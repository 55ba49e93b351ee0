"""Clearing away bytes that no version knows: a crash between the bytes and their row leaves them behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog

from shared.storage.port import ORPHANS_KEPT, ObjectStore, StoredEntry

CHUNK = 500

log = structlog.get_logger()


class OrphanSweep:
    """Deletes objects without a version. `known` tells which of these object keys a version has.

    An object younger than `kept` stays (see `ORPHANS_KEPT`).
    """

    def __init__(self, objects: ObjectStore, known: Callable[[Sequence[str]], set[str]]) -> None:
        self.objects = objects
        self.known = known

    def sweep(self, kept: timedelta = ORPHANS_KEPT) -> int:
        """Delete the orphans that are old enough; returns how many there were."""
        limit = datetime.now(UTC) - kept
        old = (entry for entry in self.objects.walk() if entry.modified_at <= limit)
        return sum(self._sweep(chunk) for chunk in _chunks(old))

    def _sweep(self, entries: Sequence[StoredEntry]) -> int:
        known = self.known([entry.key for entry in entries])
        orphans = [entry for entry in entries if entry.key not in known]
        for orphan in orphans:
            self.objects.delete(orphan.key, orphan.version)
            log.warning("object.orphan_deleted", object_key=orphan.key, object_version=orphan.version)
        return len(orphans)


def _chunks(entries: Iterator[StoredEntry]) -> Iterator[list[StoredEntry]]:
    while chunk := list(islice(entries, CHUNK)):
        yield chunk
