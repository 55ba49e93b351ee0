"""Replays whole presentations of the real data, with kills, one by tus, and holds the ends against the data.

Takes about half an hour and four gigabytes; run by a person (`make acceptance`), not with the tests. Prints a line for
each presentation; ends with 1 when anything was lost, came twice, or is not what the data says.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.oulad import environment_of, real_dataset, works_and_late

KILLS = {"2013J": 20, "2013B": 5, "2014B": 0}
"""Which presentations, and how often the process is killed on the way."""
BY_TUS = {"2013B"}
"""Of them, those that are handed in by uploads that can be resumed."""

SEED = 20131007
SECONDS_BETWEEN_KILLS = (3.0, 20.0)
SHOWN = ("submitted", "late", "versions", "dead_letters", "lost", "duplicated", "seconds", "per_second")


def main() -> int:
    """Replay and audit those named on the command line, or all."""
    dataset = real_dataset()
    complaints = [
        complaint
        for presentation in sys.argv[1:] or KILLS
        for complaint in accept(dataset, presentation, KILLS[presentation])
    ]
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


def accept(dataset: Path, presentation: str, kills: int) -> list[str]:
    """Replay one presentation in a folder of its own; what is wrong with the end."""
    with tempfile.TemporaryDirectory(prefix="etma-acceptance-") as folder:
        data_dir = Path(folder)
        command = ["replay", "oulad", str(dataset), "--presentation", presentation, "--json"]
        command += ["--tus"] * (presentation in BY_TUS)
        chance = random.Random(SEED)
        for number in range(1, kills + 1):
            if not _killed(command, data_dir, after_seconds=chance.uniform(*SECONDS_BETWEEN_KILLS)):
                return [f"{presentation}: over before kill {number}"]
        done = _etma(command, data_dir)
        audit = _etma(["audit", "--receipts", f"{data_dir}/replay/receipts", "--settled", "--json"], data_dir)
        if not done.stdout or not audit.stdout:
            return [f"{presentation}: {done.stderr}{audit.stderr}"]
        return judge(dataset, presentation, kills=kills, replayed=done.stdout, audited=audit.stdout)


def judge(dataset: Path, presentation: str, *, kills: int, replayed: str, audited: str) -> list[str]:
    """Print a line about the end of a replay; what is wrong with it, by what both commands printed."""
    figures, report = json.loads(replayed), json.loads(audited)
    words = ", ".join(f"{name} {figures[name]:,}" for name in SHOWN)
    sys.stdout.write(f"{presentation}: {kills} kills, {words}; audit: {report['counts']}\n")
    sys.stdout.flush()
    works, late = works_and_late(dataset, presentation)
    return list(_complaints(presentation, figures, report, works=works, late=late))


def _complaints(
    presentation: str, figures: Mapping[str, Any], report: Mapping[str, Any], *, works: int, late: int
) -> Iterator[str]:
    nothing = dict.fromkeys(("refused", "held", "dead_letters", "lost", "duplicated", "undecided"), 0)
    wanted = {"submitted": works, "late": late, "scripts": works, "allocated": works, **nothing}
    for name, value in wanted.items():
        if figures[name] != value:
            yield f"{presentation}: {name} is {figures[name]}, must be {value}"
    for violation in report["violations"]:
        yield f"{presentation}: {violation}"


def _killed(command: list[str], data_dir: Path, *, after_seconds: float) -> bool:
    """Kill the process after so long; whether it was still at work."""
    with subprocess.Popen(
        [sys.executable, "-m", "services", *command], env=_environment(data_dir), stdout=subprocess.DEVNULL
    ) as process:
        time.sleep(after_seconds)
        at_work = process.poll() is None
        process.kill()
    return at_work


def _etma(command: list[str], data_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services", *command],
        env=_environment(data_dir),
        stdout=subprocess.PIPE,
        stderr=None if sys.stderr.isatty() else subprocess.PIPE,
        text=True,
        check=False,
    )


def _environment(data_dir: Path) -> dict[str, str]:
    return environment_of(data_dir, {"ETMA_REPLAY": "1"})


if __name__ == "__main__":
    sys.exit(main())
