"""Named moments at which a test may kill the process, one at every durable step.

Nothing happens unless the environment asks for it when the process starts:
`ETMA_KILL_POINT=name` or `name:3` kills at the (third) passing of that point; `ETMA_KILL_RANDOM=seed:probability` kills
at any point, by chance; `ETMA_KILL_LOG=FILE` writes each point's name there once, so that a test can prove it was hit.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_named(wanted: str) -> Callable[[str], None]:
    name, _, times = wanted.partition(":")
    left = Counter({name: int(times or 1)})

    def passing(point: str) -> None:
        if point == name:
            left[name] -= 1
            if left[name] == 0:
                _die()

    return passing


def _at_random(setting: str) -> Callable[[str], None]:
    seed, _, probability = setting.partition(":")
    chance = random.Random(seed)

    def passing(_point: str) -> None:
        if chance.random() < float(probability):
            _die()

    return passing


def _recording(file: str) -> Callable[[str], None]:
    seen: set[str] = set()

    def passing(point: str) -> None:
        if point not in seen:
            seen.add(point)
            with open(file, "a", encoding="ascii") as log:  # noqa: PTH123 - one append, unbuffered by the close
                log.write(point + "\n")

    return passing


_ACTIVE: list[Callable[[str], None]] = [
    make(os.environ[name])
    for name, make in (
        ("ETMA_KILL_LOG", _recording),
        ("ETMA_KILL_POINT", _at_named),
        ("ETMA_KILL_RANDOM", _at_random),
    )
    if name in os.environ
]


def kill_point(name: str) -> None:
    """Pass the point `name`; returns at once unless a test asked to die here."""
    for passing in _ACTIVE:
        passing(name)
