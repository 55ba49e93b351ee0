"""What logs and dead letters say of a failure: where it was and what failed, and nothing of a person."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SECONDS = 60
Look = Callable[[Path], tuple[str, str]]


def start(folder: Path, errors: int) -> subprocess.Popen[str]:
    """Let the indiscreet consumer fail; it prints the reasons of its dead letters."""
    command = [sys.executable, "-m", "tests.support.indiscreet", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)


def with_log_in_a_pipe(folder: Path) -> tuple[str, str]:
    return start(folder, subprocess.PIPE).communicate(timeout=SECONDS)


def with_log_on_a_terminal(folder: Path) -> tuple[str, str]:
    ours, theirs = os.openpty()
    process = start(folder, theirs)
    os.close(theirs)
    log = b""
    try:
        while piece := os.read(ours, 4096):
            log += piece
    except OSError:  # the other end of a terminal is closed
        pass
    os.close(ours)
    return process.communicate(timeout=SECONDS)[0], log.decode()


@pytest.mark.parametrize("look", [with_log_in_a_pipe, with_log_on_a_terminal])
def test_a_failure_is_told_without_the_person_whom_it_concerned(tmp_path: Path, look: Look) -> None:
    reasons, log = look(tmp_path)
    assert "IntegrityError" in reasons
    assert "NotAFact" in reasons
    assert "consumer.buried" in log
    assert "indiscreet.py" in log
    assert re.search("CHECK constraint failed|violates check constraint", log)
    assert "@" not in reasons + log
