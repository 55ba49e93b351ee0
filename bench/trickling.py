"""Hand-ins at a fixed pace while hundreds of uploads come over slow links."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from bench.candidates import program
from bench.client import Failed, Target, upload_alone
from bench.figures import table
from bench.large import kib_of
from bench.world import Line, cluster, line, tokens_of

KB = 1000
TRICKLING, TRICKLE_BYTES = 500, 64 * KB
HAND_IN_BYTES, PER_SECOND = 100 * KB, 50
SHARE = 0.5
"""How much of what it can do alone is asked of a machine that cannot do `PER_SECOND`: the rest is for the trickle."""

MINUTES = 3
BEGINNING_SECONDS = 10
"""The slow uploads begin within so long."""

LONGEST = 4
"""The trickle lasts as long as the hand-ins do, but no longer than so many times what they should take."""

CLIENTS, LOOK_SECONDS = 8, 15


def report(*, quick: bool) -> str:
    """The table."""
    with cluster() as found, line(found) as running:
        return _beside(running, quick=quick)


def _beside(running: Line, *, quick: bool) -> str:
    """Hand-ins at a fixed pace, alone and beside the trickle. Waiting counts from when each was due."""
    seconds = 10 if quick else MINUTES * 60
    trickling = 50 if quick else TRICKLING
    target = running.target()
    most = _most(target, LOOK_SECONDS)
    pace = min(PER_SECOND, max(1, round(SHARE * most)))
    alone = _paced(running, target, seconds / 3, pace)
    arguments = (str(running.api.port), str(trickling), str(TRICKLE_BYTES), str(LONGEST * seconds))
    with TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_text("\n".join(tokens_of(running.cluster.system)), encoding="ascii")
        with program("bench.slow_links", *arguments, str(tokens)) as process:
            time.sleep(BEGINNING_SECONDS)
            beside = _paced(running, target, seconds, pace)
            if process.poll() is not None:
                raise Failed("the trickle ended before the hand-ins did")
    rows = [
        (
            name,
            f"{each.per_second:.1f}",
            *(f"{ms:,.0f}" for ms in (each.p50_ms, each.p99_ms)),
            each.failed,
            *each.memory,
        )
        for name, each in (("alone", alone), (f"beside {trickling} uploads of 64 KB/s", beside))
    ]
    columns = (
        "hand-ins of 100 KB",
        "accepted per second",
        "p50 ms",
        "p99 ms",
        "not accepted",
        "API process MiB, first",
        "most",
        "last",
    )
    title = f"{pace} hand-ins a second for {seconds:.0f} s, of {most:.0f} that eight clients get alone"
    return table(title, columns, rows)


@dataclass(frozen=True, kw_only=True)
class Paced:
    """Of the hand-ins; `memory` is the first, greatest and last size of the API process, in MiB."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    memory: tuple[int, int, int]


def _most(target: Target, seconds: float) -> float:
    """How many hand-ins a second clients get that wait for each answer."""
    end = time.monotonic() + seconds

    def hand_in(_: int) -> int:
        done = 0
        while time.monotonic() < end:
            upload_alone(target, HAND_IN_BYTES)
            done += 1
        return done

    with ThreadPoolExecutor(CLIENTS) as threads:
        return sum(threads.map(hand_in, range(CLIENTS))) / seconds


def _paced(running: Line, target: Target, seconds: float, pace: int) -> Paced:
    process = Path(f"/proc/{running.api.pid}")
    began = time.monotonic() + 0.1
    sizes: list[int] = []

    def hand_in(number: int) -> float | None:
        due = began + number / pace
        time.sleep(max(0.0, due - time.monotonic()))
        if number % pace == 0:
            sizes.append(kib_of(process, "VmRSS") // 1024)
        try:
            upload_alone(target, HAND_IN_BYTES)
        except (OSError, Failed):
            return None
        return time.monotonic() - due

    with ThreadPoolExecutor(64) as threads:
        waits = list(threads.map(hand_in, range(int(seconds * pace))))
    took = time.monotonic() - began
    accepted = [wait for wait in waits if wait is not None]
    cuts = quantiles(accepted, n=100)
    return Paced(
        per_second=len(accepted) / took,
        p50_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        failed=len(waits) - len(accepted),
        memory=(sizes[0], max(sizes), sizes[-1]),
    )
