"""Walks a plan through a running system: moves the clock, lets the clients act, waits until a day's work is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from services.cluster import ClusterSystem
from services.embedded import Embedded
from services.intake.catalogue import person_refs, take_in
from services.replay.client import Client, Unexpected
from services.replay.journal import Held, Journal, held_of
from services.replay.plan import Choosing, Collecting, HandingIn, Plan, Slot, content_of, size_of
from shared.clock import LONDON
from shared.killpoints import kill_point
from shared.stepped_clock import SteppedClock

CLIENTS: Final = 8
TOKEN_HOURS: Final = 24 * 500
QUIET_SECONDS: Final = 300.0
POLL_SECONDS: Final = 0.01
RESTS: Final = 3.0
"""How many times as long as a look took nobody looks again."""
AFTERWARDS: Final = timedelta(days=1)
"""How far the clock moves at the end: past every digest's window."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """`size_bytes` of every file (None: as the plan draws it); `per_second` handed in at most (None: no limit)."""

    size_bytes: int | None = None
    per_second: float | None = None


class Replay:
    """Resumable: it goes by the clock, the journal and the plan alone.

    The clock moves on only when every receipt of its moment is durable with the client, so that a replay that was
    killed finds in its journal what is done, does again what is not, and nothing lies behind it.
    """

    def __init__(
        self,
        system: Embedded | ClusterSystem,
        clock: SteppedClock,
        client: Client,
        journal: Journal,
        *,
        pace: Pace,
        on_progress: Callable[[int], None],
    ) -> None:
        self.system = system
        self.clock = clock
        self.client = client
        self.journal = journal
        self.pace = pace
        self.on_progress = on_progress
        self._held: dict[tuple[str, str, int], Held] = {}
        self._refs: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._next_at = 0.0
        self._synced_at = time.monotonic()
        self._clients = ThreadPoolExecutor(CLIENTS, thread_name_prefix="client")

    def run(self, plan: Plan) -> None:
        """Do what the journal does not hold yet, then wait until all is settled; raises `Unexpected`."""
        if self.clock.now() == plan.opens_at:
            take_in(self.system, plan.university)
        people = {entry.personal_id for entry in plan.university.students}
        self._refs = person_refs(self.system, people | {entry.staff_number for entry in plan.university.staff})
        for held in self.journal.held():
            self._hold(held)
        self.on_progress(len(self._held))
        for slot in plan.slots:
            if slot.moment >= self.clock.now():
                self._move_to(slot.moment)
                self._play(slot)
        self._settle()
        self._move_to(max(plan.slots[-1].moment + AFTERWARDS, self.clock.now()))
        self._settle()
        self._sync()

    def close(self) -> None:
        self._clients.shutdown(cancel_futures=True)

    def held(self) -> Sequence[Held]:
        """Every receipt in the client's hands, one for each version handed in."""
        return list(self._held.values())

    def _move_to(self, moment: datetime) -> None:
        """Move the clock, over a drained system when a new day begins."""
        if _day(moment) != _day(self.clock.now()):
            self._settle()
        self.clock.move_to(moment)
        self.system.wake()

    def _play(self, slot: Slot) -> None:
        if slot.groups is not None:
            take_in(self.system, slot.groups)
        again = [choosing.collecting for choosing in slot.choosings]
        self._sign_in("tutor", (each.tutor for each in (*again, *slot.collectings)))
        for choosing in slot.choosings:
            self._choose(choosing)
        for collecting in slot.collectings:
            self._collect(collecting)
        missing = [each for each in slot.handings_in if not self._is_held(each)]
        if missing:
            self._hand_in_all(missing)

    def _hand_in_all(self, handings_in: Sequence[HandingIn]) -> None:
        accept_ms: list[float] = []
        for answered in as_completed(self._send(handings_in)):
            receipt, milliseconds = answered.result()
            self.on_progress(1)
            if receipt is not None:
                kill_point("replay.received")
                self.journal.add(receipt)
                self._hold(held_of(receipt))
                accept_ms.append(milliseconds)
        self._sync(accept_ms)

    def _send(self, handings_in: Sequence[HandingIn]) -> list[Future[tuple[str | None, float]]]:
        self._sign_in("student", (each.personal_id for each in handings_in))
        sent = []
        for handing_in in handings_in:
            self._wait_for_turn()
            sent.append(self._clients.submit(self._hand_in, handing_in, self._tokens[handing_in.personal_id]))
        return sent

    def _hand_in(self, handing_in: HandingIn, token: str) -> tuple[str | None, float]:
        content = content_of(handing_in, self.pace.size_bytes or size_of(handing_in))
        begun = time.perf_counter()
        receipt = self.client.hand_in(
            token=token, assignment_id=handing_in.assignment_id, key=handing_in.idempotency_key, content=content
        )
        return receipt, (time.perf_counter() - begun) * 1000

    def _collect(self, collecting: Collecting) -> None:
        held = self._held[collecting.assignment_id, self._refs[collecting.personal_id], 1]
        self.client.collect(token=self._tokens[collecting.tutor], work_id=held.work_id)

    def _choose(self, choosing: Choosing) -> None:
        whose = choosing.collecting
        held = self._held[whose.assignment_id, self._refs[whose.personal_id], choosing.version]
        self.client.take_later(token=self._tokens[whose.tutor], submission_id=held.submission_id)
        self._collect(whose)

    def _wait_for_turn(self) -> None:
        if self.pace.per_second:
            self._next_at = max(self._next_at + 1 / self.pace.per_second, time.monotonic())
            time.sleep(max(0.0, self._next_at - time.monotonic()))

    def _sign_in(self, role: str, identifiers: Iterable[str]) -> None:
        missing = sorted({each for each in identifiers if each not in self._tokens})
        if missing:
            sessions = self.system.identity.sessions
            self._tokens |= sessions.sign_in_all(role=role, identifiers=missing, hours=TOKEN_HOURS)

    def _sync(self, accept_ms: Sequence[float] = ()) -> None:
        now = time.monotonic()
        self.journal.sync(seconds=now - self._synced_at, accept_ms=accept_ms)
        self._synced_at = now
        kill_point("replay.synced")

    def _settle(self) -> None:
        """Wait until nothing is in flight; raises `Unexpected` when a part gave up, or nothing comes to rest."""
        began = time.monotonic()
        deadline = began + QUIET_SECONDS
        while not self.system.is_settled():
            stopped = self.system.stopped()
            looked = time.monotonic()
            if stopped or looked > deadline:
                status = {name: inspection.status() for name, inspection in self.system.inspections().items()}
                raise Unexpected(f"The system does not come to rest: {stopped or self.system.problems() or status}")
            time.sleep(max(POLL_SECONDS, RESTS * (looked - began)))  # who looks takes the time of those who work
            began = time.monotonic()
        kill_point("replay.settled")

    def _hold(self, held: Held) -> None:
        self._held[held.assignment_id, held.person_ref, held.version] = held

    def _is_held(self, handing_in: HandingIn) -> bool:
        return (handing_in.assignment_id, self._refs[handing_in.personal_id], handing_in.version) in self._held


def _day(moment: datetime) -> date:
    return moment.astimezone(LONDON).date()
