"""Who may write an upload: leases by a clock that the test moves, and what comes of those that are over."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from services.submission.catalogue.store import assignment_table, enrolment_table
from services.submission.catalogue.views import CatalogueViews
from services.submission.deadlines.views import Deadlines
from services.submission.negotiation.views import RequestViews
from services.submission.resumable.checking import LAPSE, Checking, CheckingLoop, Damaged, Stopped
from services.submission.resumable.clearing import Clearing
from services.submission.resumable.domain import (
    KEPT_ENDED,
    KEPT_UNFINISHED,
    LEASE,
    PIECE_BYTES,
    TO_CONFIRM,
    Gone,
    Locked,
    State,
    Upload,
    WrongOffset,
)
from services.submission.resumable.handlers import Creation, Uploads
from services.submission.resumable.leases import Leases
from services.submission.resumable.reception import Reception
from services.submission.resumable.store import UploadStore
from services.submission.submissions.handlers import HandIn
from services.submission.submissions.store import SubmissionStore
from services.submission.tables import metadata
from shared.contracts import Channel, UploadLapsed, fact_type
from shared.errors import NotFound
from shared.messaging.tables import outbox
from shared.timers import Timers, TimersLoop
from tests.support.databases import ManualClock, make_database
from tests.support.objects import FilledStore
from tests.support.quota import QUOTA
from tests.support.receipt_keys import signing_ring
from tests.support.uploading import metadata_of, text_of

TMA = "K827-26J-TMA01"
SECOND = timedelta(seconds=1)
LARGE = 3 * PIECE_BYTES + 5_000_000
NO_STOP = threading.Event()


class Desk:
    """The use cases as the service composes them, without anything that runs."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.database = make_database(metadata, folder, "submission", self.clock)
        self.staging, self.objects = FilledStore(folder / "staging"), FilledStore(folder / "objects")
        self.store = UploadStore()
        hand_in = HandIn(
            database=self.database,
            objects=self.objects,
            catalogue=CatalogueViews(),
            deadlines=Deadlines(RequestViews().protected),
            store=SubmissionStore(),
            signer=signing_ring(folder, self.database),
            issuer="https://etma.example",
            quota=QUOTA,
        )
        self.checking = Checking(
            leases=Leases(self.database, self.store), hand_in=hand_in, staging=self.staging, timers=Timers()
        )
        self.uploads = Uploads(self.checking)
        self.loop = CheckingLoop(self.checking)
        self.clearing = Clearing(self.checking)
        self.timers = TimersLoop(self.database, self.uploads.timer_handlers())
        self._fill()

    def begin(self, length: int) -> Upload:
        said = metadata_of(assignment=TMA, filename="a.txt")
        creation = Creation(person_ref="ada", channel=Channel.API, length=length, metadata=said, correlation_id="c")
        return self.uploads.create(creation)

    def receive(self, upload: Upload, offset: int = 0) -> Reception:
        return self.uploads.receive(upload.upload_id, "ada", offset=offset, announced_bytes=0, checksum=None)

    def send(self, upload: Upload, content: bytes, offset: int = 0) -> int:
        reception = self.receive(upload, offset)
        feed(reception, content)
        return reception.finish()

    def now(self, upload: Upload) -> Upload:
        return self.uploads.own(upload.upload_id, "ada")

    def staged(self) -> list[str]:
        return [entry.key for entry in self.staging.walk()]

    def stored(self) -> list[str]:
        return [entry.key for entry in self.objects.walk()]

    def said(self, fact: type) -> int:
        with self.database.reading() as connection:
            return sum(row.type == fact_type(fact) for row in connection.execute(outbox.select()))

    def _fill(self) -> None:
        assignment = {
            "assignment_id": TMA,
            "revision": 1,
            "presentation_id": "K827-26J",
            "module_code": "K827",
            "module_title": "Communities",
            "title": "An essay",
            "kind": "tma",
            "cut_off_at": self.clock.now() + timedelta(days=20),
            "grace_ends_at": self.clock.now() + timedelta(days=21),
            "late_policy": "refuse",
            "category": "2",
            "allowed_types": ["txt"],
            "max_bytes": 1 << 30,
            "max_name_length": 50,
            "scored": True,
            "anonymous": False,
            "final": False,
        }
        enrolment = {
            "enrolment_id": "e",
            "revision": 1,
            "presentation_id": "K827-26J",
            "person_ref": "ada",
            "status": "active",
        }
        with self.database.transaction() as tx:
            tx.connection.execute(assignment_table.insert(), assignment)
            tx.connection.execute(enrolment_table.insert(), enrolment)


def feed(reception: Reception, content: bytes) -> None:
    left = memoryview(content)
    while left:
        if reception.is_full:
            reception.store()
        left = left[reception.take(left) :]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_a_holder_who_falls_silent_is_followed_by_another_after_the_lease(desk: Desk) -> None:
    upload = desk.begin(10)
    desk.receive(upload)
    desk.clock.advance(LEASE - SECOND)
    with pytest.raises(Locked):
        desk.receive(upload)
    desk.clock.advance(SECOND)
    assert desk.send(upload, b"0123456789") == 10


def test_a_holder_to_whom_bytes_come_keeps_the_lease(desk: Desk) -> None:
    upload = desk.begin(10)
    reception = desk.receive(upload)
    for _ in range(5):
        desk.clock.advance(LEASE - SECOND)
        reception.renew()
    with pytest.raises(Locked):
        desk.receive(upload)


def test_who_was_followed_by_another_appends_nothing_more(desk: Desk) -> None:
    content = text_of(3 * PIECE_BYTES)
    upload = desk.begin(len(content))
    late = desk.receive(upload)
    feed(late, content[: PIECE_BYTES + 1])
    desk.clock.advance(LEASE)
    assert desk.send(upload, content[PIECE_BYTES:], PIECE_BYTES) == len(content)
    with pytest.raises(Locked):
        feed(late, b"!" * (2 * PIECE_BYTES - 1))
    late.break_off()
    assert desk.now(upload).sha256 == hashlib.sha256(content).hexdigest()
    assert desk.staged() == []


def test_who_was_followed_by_one_that_wrote_nothing_appends_nothing_either(desk: Desk) -> None:
    upload = desk.begin(2 * PIECE_BYTES)
    late = desk.receive(upload)
    feed(late, b"late")
    desk.clock.advance(LEASE)
    other = desk.receive(upload)
    with pytest.raises(Locked):
        late.finish()
    feed(other, b"other")
    assert other.finish() == 5
    assert len(desk.staged()) == 1


def test_who_was_followed_frees_no_lease_but_its_own(desk: Desk) -> None:
    upload = desk.begin(10)
    late = desk.receive(upload)
    desk.clock.advance(LEASE)
    desk.receive(upload)
    late.abandon()
    with pytest.raises(Locked):
        desk.receive(upload)


def test_whoever_breaks_off_lets_the_next_in_at_once_and_what_came_is_kept(desk: Desk) -> None:
    upload = desk.begin(10)
    reception = desk.receive(upload)
    feed(reception, b"0123")
    reception.break_off()
    assert desk.send(upload, b"456789", 4) == 10
    assert desk.now(upload).sha256 == hashlib.sha256(b"0123456789").hexdigest()


def test_a_start_at_which_nobody_else_is_there_frees_all(desk: Desk) -> None:
    upload = desk.begin(10)
    desk.receive(upload)
    desk.clearing.free_all()
    assert desk.send(upload, b"0123456789") == 10


def test_arrived_is_when_the_last_byte_was_durable_and_not_when_it_was_checked(desk: Desk) -> None:
    content = text_of(LARGE)
    upload = desk.begin(LARGE)
    desk.clock.advance(timedelta(minutes=1))
    arrived = desk.clock.now()
    desk.send(upload, content)
    assert (desk.now(upload).state, desk.now(upload).arrived_at) == (State.CHECKING, arrived)
    desk.clock.advance(timedelta(hours=3))
    assert desk.loop.step(NO_STOP)
    ready = desk.now(upload)
    assert (ready.state, ready.arrived_at) == (State.READY, arrived)
    assert ready.confirm_by == desk.clock.now() + TO_CONFIRM
    assert ready.sha256 == hashlib.sha256(content).hexdigest()
    assert desk.staged() == []
    assert not desk.loop.step(NO_STOP)


def test_a_check_that_is_asked_to_stop_leaves_the_upload_to_the_next(desk: Desk) -> None:
    upload = desk.begin(LARGE)
    desk.send(upload, text_of(LARGE))
    stop = threading.Event()
    stop.set()
    desk.loop.step(stop)
    assert desk.now(upload).state is State.CHECKING
    assert desk.stored() == []
    desk.loop.step(NO_STOP)
    assert desk.now(upload).state is State.READY


def test_a_check_whose_process_died_is_done_by_another_after_the_lease(desk: Desk) -> None:
    upload = desk.begin(LARGE)
    desk.send(upload, text_of(LARGE))
    assert desk.loop._claimed()
    assert not desk.loop.step(NO_STOP)
    desk.clock.advance(LEASE)
    assert desk.loop.step(NO_STOP)
    assert desk.now(upload).state is State.READY


def test_of_two_that_check_one_makes_it_ready_and_the_other_leaves_nothing(desk: Desk) -> None:
    upload = desk.begin(LARGE)
    desk.send(upload, text_of(LARGE))
    late = desk.loop._claimed()
    assert late
    pieces = list(desk.staged())
    desk.clock.advance(LEASE)
    other = desk.loop._claimed()
    assert other
    with pytest.raises(Locked):
        desk.checking.check(late)
    assert (desk.stored(), desk.staged()) == ([], pieces)
    desk.checking.check(other)
    assert len(desk.stored()) == 1


def test_an_upload_whose_pieces_are_gone_is_tried_again_later_and_holds_up_no_other(desk: Desk) -> None:
    damaged, sound = desk.begin(LARGE), desk.begin(LARGE)
    desk.send(damaged, text_of(LARGE))
    desk.clock.advance(SECOND)
    desk.send(sound, text_of(LARGE))
    (first, *_) = [entry for entry in desk.staging.walk() if entry.key.startswith(damaged.upload_id)]
    desk.staging.delete(first.key, first.version)
    with structlog.testing.capture_logs() as logs:
        assert desk.loop.step(NO_STOP)
        assert desk.loop.step(NO_STOP)
    assert "upload.check_failed" in [entry["event"] for entry in logs]
    assert (desk.now(damaged).state, desk.now(sound).state) == (State.CHECKING, State.READY)


def test_a_file_that_is_not_as_long_as_announced_does_not_become_ready(desk: Desk) -> None:
    upload = desk.begin(LARGE)
    desk.send(upload, text_of(LARGE))
    claimed = desk.loop._claimed()
    assert claimed
    with pytest.raises(Damaged):
        desk.checking.check(replace(claimed, length=LARGE + 1))
    assert desk.stored() == []


def test_what_nobody_confirms_lapses_after_a_day_and_that_is_said_once(desk: Desk) -> None:
    upload = desk.begin(3)
    desk.send(upload, b"abc")
    desk.clock.advance(TO_CONFIRM)
    assert desk.uploads.confirm(upload.upload_id, "ada").version == 1
    other = desk.begin(3)
    desk.send(other, b"def")
    desk.clock.advance(TO_CONFIRM + SECOND)
    with pytest.raises(Gone, match="Nobody handed it in"):
        desk.uploads.confirm(other.upload_id, "ada")
    assert desk.timers.step(NO_STOP)
    assert not desk.timers.step(NO_STOP)
    assert (desk.now(other).state, desk.said(UploadLapsed)) == (State.LAPSED, 1)
    assert desk.clearing.discard() == 1
    assert len(desk.stored()) == 1


def test_a_timer_that_comes_after_the_confirmation_changes_nothing(desk: Desk) -> None:
    upload = desk.begin(3)
    desk.send(upload, b"abc")
    desk.uploads.confirm(upload.upload_id, "ada")
    with desk.database.transaction() as tx:
        Timers().set(tx, kind=LAPSE, key=upload.upload_id, due_at=desk.clock.now())
    desk.timers.step(NO_STOP)
    assert (desk.now(upload).state, desk.said(UploadLapsed)) == (State.CONFIRMED, 0)


def test_what_gets_no_more_bytes_for_a_week_expires_with_its_pieces(desk: Desk) -> None:
    upload = desk.begin(2 * PIECE_BYTES)
    desk.clock.advance(timedelta(days=3))
    desk.send(upload, text_of(PIECE_BYTES))
    desk.clock.advance(KEPT_UNFINISHED - SECOND)
    assert desk.clearing.expire() == 0
    desk.clock.advance(SECOND)
    with pytest.raises(Gone):
        desk.receive(upload, PIECE_BYTES)
    assert desk.clearing.expire() == 1
    assert (desk.now(upload).state, desk.staged()) == (State.EXPIRED, [])


def test_what_ended_is_known_for_a_month(desk: Desk) -> None:
    upload = desk.begin(3)
    desk.uploads.terminate(upload.upload_id, "ada")
    desk.clock.advance(KEPT_ENDED)
    assert desk.clearing.forget() == 0
    desk.clock.advance(SECOND)
    assert desk.clearing.forget() == 1
    with pytest.raises(NotFound):
        desk.now(upload)


def test_what_comes_at_another_offset_takes_no_lease(desk: Desk) -> None:
    upload = desk.begin(10)
    with pytest.raises(WrongOffset):
        desk.receive(upload, 3)
    assert desk.send(upload, b"0123456789") == 10


def test_a_stopped_check_says_so(desk: Desk) -> None:
    upload = desk.begin(LARGE)
    desk.send(upload, text_of(LARGE))
    claimed, stop = desk.loop._claimed(), threading.Event()
    stop.set()
    assert claimed
    with pytest.raises(Stopped):
        desk.checking.check(claimed, stop)
