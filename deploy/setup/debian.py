"""Debian's packages, where they may be installed; and the words when set-up cannot go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable


class CannotSetUp(Exception):
    """Something is missing that could not be installed here; the text says what to do."""


def install(*packages: str) -> bool:
    """As root on Debian and its kin; whether the packages are there now."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", *packages])
    return not any(
        subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode for command in commands
    )


def need(program: str, *packages: str) -> str:
    """The path of a program, from Debian's packages when it is absent; raises `CannotSetUp`."""
    path = shutil.which(program) or (install(*packages) and shutil.which(program))
    if not path:
        raise CannotSetUp(f"{program} is missing. Install it (Debian: apt-get install {' '.join(packages)}).")
    return path


def exit_code(set_up: Callable[[], None]) -> int:
    """Set up, or say what is missing: 0 or 1."""
    try:
        set_up()
    except CannotSetUp as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
