"""What becomes of bytes after they were stored: those of a version are locked, those that none knows cleared away.

A crash between the bytes and their row leaves such bytes behind, and so does a store whose answer was lost: the object
is written once more, under the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
import structlog

from services.submission.upload.domain import Receipted, Tally
from services.submission.upload.store import OrphanStore, Place
from shared.chunks import in_chunks
from shared.clock import Clock
from shared.database import Database, Transaction
from shared.storage.port import ORPHANS_KEPT, ObjectMissing, ObjectRetained, ObjectStore, Retention, StoredEntry

CHUNK = 500
RETAIN_CHUNK = 100
"""One request for each: a step takes well under a second."""

log = structlog.get_logger()


class OrphanSweep:
    """Notes objects without a version, and deletes those that have been noted for long enough.

    An object's own age says nothing: with a database that was lost, or restored from an older backup, bytes of any
    age become orphans at once, and are then the only copy of work for which a student holds a receipt. So the time
    that a person has to notice begins with the note, and where orphans are too many for crashes, nothing is deleted.
    `known` tells which objects of these keys a version has. `clock` is the machine's also in a replay: the days are
    for people.
    """

    def __init__(
        self,
        *,
        objects: ObjectStore,
        known: Callable[[Sequence[str]], set[Place]],
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
        orphans = [place for entry in entries if (place := (entry.key, entry.version)) not in known]
        with self.database.reading() as connection:
            noted = self.store.noted([entry.key for entry in entries], connection)
        fresh = [place for place in orphans if place not in noted]
        found_again = [place for place in noted if place in known]
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
        """Delete those without a version, and then the notes: a crash in between deletes once more what is gone.

        What the store does not let go is noted anew by the next walk, so that it is tried again after as long a time.
        """
        known = self.known([key for key, _ in places])
        deleted = sum(self._delete_one(key, version) for key, version in places if (key, version) not in known)
        with self.database.transaction() as tx:
            self.store.forget(places, tx)
        return deleted

    def _delete_one(self, key: str, version: str) -> bool:
        try:
            self.objects.delete(key, version)
        except ObjectRetained:
            log.warning("object.orphan_retained", object_key=key, object_version=version)
            return False
        log.warning("object.orphan_deleted", object_key=key, object_version=version)
        return True


class Receipts(Protocol):
    """Which versions there are, as far as their objects are concerned."""

    def unretained(self, connection: sa.Connection, *, after: int, limit: int) -> Sequence[Receipted]:
        """Versions beyond this position whose object was not noted as retained, in order."""
        ...

    def note_retained(self, until: Mapping[int, datetime], tx: Transaction) -> None:
        """Note until when the objects of the versions at these positions are retained."""
        ...


class Retaining:
    """Has the objects of versions kept by the store itself, counted from their arrival.

    The note comes after the lock, so that a crash in between locks once more, to the same moment. An object that is not
    there is passed over until the next round; the audit tells of it. Where the time is over already, as in a replay,
    there is nothing to lock. `clock` is the machine's, as the store's is.
    """

    def __init__(self, *, retention: Retention, receipts: Receipts, database: Database, clock: Clock) -> None:
        self.retention = retention
        self.receipts = receipts
        self.database = database
        self.clock = clock
        self._after = 0

    def step(self) -> int:
        """Retain some; how many were looked at, 0 at the end of a round."""
        with self.database.reading() as connection:
            waiting = self.receipts.unretained(connection, after=self._after, limit=RETAIN_CHUNK)
        until = {one.position: one.arrived_at + self.retention.period for one in waiting}
        retained = [one.position for one in waiting if self._retain(one, until[one.position])]
        if retained:
            with self.database.transaction() as tx:
                self.receipts.note_retained({position: until[position] for position in retained}, tx)
        if len(retained) < len(waiting):
            log.error("object.missing", objects=len(waiting) - len(retained))
        self._after = waiting[-1].position if waiting else 0
        return len(waiting)

    def _retain(self, one: Receipted, until: datetime) -> bool:
        if until <= self.clock.now():
            return True
        try:
            self.retention.retain(one.object_key, one.object_version, until)
        except ObjectMissing:
            return False
        return True
