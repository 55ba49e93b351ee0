"""Breaks one line at a time in a copy of the code, and demands that the named test turns red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.sabotage.breakages import BREAKAGES, Breakage
from tests.support.servers import is_given

ROOT = Path(__file__).parents[2]
PARTS = ("services", "shared", "tests", "deploy", "pyproject.toml")
TESTS_FAILED = 1
SECONDS = 300


def run_broken(breakage: Breakage) -> str:
    """`red` when the named test fails as it must; else what happened."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in PARTS:
            source = ROOT / part
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, copy / part, ignore=ignore) if source.is_dir() else shutil.copy(source, copy / part)
        (copy / "build").symlink_to(ROOT / "build")  # servers that tests start for themselves
        file = copy / breakage.file
        text = file.read_text(encoding="utf-8")
        if text.count(breakage.old) != 1:
            return f"the line stands {text.count(breakage.old)} times in {breakage.file}"
        file.write_text(text.replace(breakage.old, breakage.new), encoding="utf-8")
        return _verdict(copy, breakage)


def _verdict(copy: Path, breakage: Breakage) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", breakage.test]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if done.returncode == TESTS_FAILED and "failed" in done.stdout.splitlines()[-1]:
        return "red"
    return f"pytest ended with {done.returncode}: {done.stdout.strip().splitlines()[-1:]}"


def main() -> int:
    """Print a table; 1 unless every breakage turned its test red."""
    named = [breakage for breakage in BREAKAGES if all(word in breakage.name for word in sys.argv[1:])]
    chosen = [breakage for breakage in named if not breakage.server or is_given(breakage.server)]
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(run_broken, chosen))
    for breakage, verdict in zip(chosen, verdicts, strict=True):
        sys.stdout.write(f"{verdict:<5} {breakage.name}\n")
    red = verdicts.count("red")
    sys.stdout.write(f"{red} of {len(chosen)} breakages were noticed, {len(named) - len(chosen)} lack a server\n")
    return 0 if red == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
