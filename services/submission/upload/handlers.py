"""Clearing away bytes that no version knows: a crash between the bytes and their row leaves them behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from services.submission.upload.domain import Tally
from services.submission.upload.store import OrphanStore, Place
from shared.chunks import in_chunks
from shared.clock import Clock
from shared.database import Database
from shared.storage.port import ORPHANS_KEPT, ObjectStore, StoredEntry

CHUNK = 500

log = structlog.get_logger()


class OrphanSweep:
    """Notes objects without a version, and deletes those that have been noted for long enough.

    An object's own age says nothing: with a database that was lost, or restored from an older backup, bytes of any
    age become orphans at once, and are then the only copy of work for which a student holds a receipt. So the time
    that a person has to notice begins with the note, and where orphans are too many for crashes, nothing is deleted.
    `known` tells which of these object keys a version has. `clock` is the machine's also in a replay: the days are
    for people.
    """

    def __init__(
        self,
        *,
        objects: ObjectStore,
        known: Callable[[Sequence[str]], set[str]],
        database: Database,
        store: OrphanStore,
        clock: Clock,
    ) -> None:
        self.objects = objects
        self.known = known
        self.database = database
        self.store = store
        self.clock = clock
        self._found = Tally()

    def sweep(self, kept: timedelta = ORPHANS_KEPT) -> int:
        """Walk all objects, note what became an orphan, delete what was noted before `kept`; returns how many."""
        found = Tally()
        for chunk in in_chunks(self.objects.walk(), CHUNK):
            here = self._compare(chunk)
            found = Tally(known=found.known + here.known, orphans=found.orphans + here.orphans)
        self._found = found
        if found.is_suspicious:
            tell = log.critical if found.is_alarming else log.error
            tell("object.orphans_withheld", orphans=found.orphans, known=found.known)
            return 0
        return self._delete_due(kept)

    def problems(self) -> Mapping[str, str]:
        """What a person must look into, as the last walk found it."""
        if not self._found.is_alarming:
            return {}
        number, total = self._found.orphans, self._found.orphans + self._found.known
        words = (
            f"no version knows {number} of {total} stored objects, too many for crashes: the database is probably not"
            " the one that belongs to them. Nothing is deleted; see docs/operations.md."
        )
        return {"submission.orphans": words}

    def _compare(self, entries: Sequence[StoredEntry]) -> Tally:
        """Bring the notes of these objects up to date."""
        known = self.known([entry.key for entry in entries])
        orphans = [(entry.key, entry.version) for entry in entries if entry.key not in known]
        with self.database.reading() as connection:
            noted = self.store.noted([entry.key for entry in entries], connection)
        fresh = [place for place in orphans if place not in noted]
        found_again = [place for place in noted if place[0] in known]
        if fresh or found_again:
            with self.database.transaction() as tx:
                self.store.note(fresh, self.clock.now(), tx)
                self.store.forget(found_again, tx)
            log.info("object.orphans_noted", noted=len(fresh), known_again=len(found_again))
        return Tally(known=len(entries) - len(orphans), orphans=len(orphans))

    def _delete_due(self, kept: timedelta) -> int:
        deleted = 0
        while places := self._due(kept):
            deleted += self._delete(places)
        return deleted

    def _due(self, kept: timedelta) -> list[Place]:
        with self.database.reading() as connection:
            return self.store.seen_before(self.clock.now() - kept, connection, limit=CHUNK)

    def _delete(self, places: Sequence[Place]) -> int:
        """Delete those without a version, and then the notes: a crash in between deletes once more what is gone."""
        known = self.known([key for key, _ in places])
        orphans = [(key, version) for key, version in places if key not in known]
        for key, version in orphans:
            self.objects.delete(key, version)
            log.warning("object.orphan_deleted", object_key=key, object_version=version)
        with self.database.transaction() as tx:
            self.store.forget(places, tx)
        return len(orphans)
