"""Students who hand in, whatever answers, until they hold a receipt; the receipts are the witness of a fault."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx2 as httpx

from tests.support.university import ANN, BEN, PDF

AT_ONCE = 4
PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.1

HandIn = Callable[..., httpx.Response]
"""Called with the person, and `content` and `key` by name."""


class Students:
    """`sent` works, each under a key of its own; the folder `journal` has the receipt of each at the end.

    `unknown` counts the attempts after which nobody could tell whether the work was taken: without an answer, or
    answered with 503. Each was made again, under the same key.
    """

    def __init__(self, hand_in: HandIn, journal: Path, *, works: int) -> None:
        self.journal = journal
        self.sent = works
        self.unknown = 0
        self._hand_in = hand_in
        journal.mkdir()

    @contextmanager
    def handing_in(self) -> Iterator[None]:
        """They begin before the block, and all hold their receipts after it."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            works = [pool.submit(self._hand_in_at_last, number) for number in range(self.sent)]
            yield
            self.unknown += sum(work.result() for work in works)

    def hand_in_all(self) -> None:
        with self.handing_in():
            pass

    def _hand_in_at_last(self, number: int) -> int:
        """Try until there is a receipt, and keep it; how many attempts ended without one."""
        key = str(uuid.uuid4())
        deadline = time.monotonic() + PATIENCE_SECONDS
        for failures in count():
            answer = self._attempt(number, key)
            if answer is not None and answer.status_code == 201:
                (self.journal / f"{number}.jws").write_text(answer.json()["receipt"], encoding="ascii")
                return failures
            assert answer is None or answer.status_code == 503, answer.text
            assert time.monotonic() < deadline, answer and answer.text
            time.sleep(PAUSE_SECONDS)
        raise AssertionError

    def _attempt(self, number: int, key: str) -> httpx.Response | None:
        """The answer; None when there was none."""
        try:
            return self._hand_in((ANN, BEN)[number % 2], content=PDF + str(number).encode(), key=key)
        except httpx.TransportError:
            return None
