"""Finds a C compiler for the tests, else installs one, else says what is missing. Prints its command.

Needs nothing but Python, because it may run before anything is installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("cc", "gcc", "clang")
WHEEL = Path(__file__).parents[2] / "requirements" / "compiler.txt"
ZIG = [sys.executable, "-m", "ziglang", "cc"]
PROGRAM = "#include <dlfcn.h>\n#include <stdio.h>\nint answer(void) { return EOF; }\n"


def works(command: list[str]) -> bool:
    """Whether it makes a shared library: a compiler can be there without the C library's headers."""
    if not shutil.which(command[0]):
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(PROGRAM, encoding="ascii")
        making = [*command, "-shared", "-fPIC", "-o", str(source.with_suffix(".so")), str(source)]
        return subprocess.run(making, capture_output=True, check=False).returncode == 0


def found() -> list[str] | None:
    """The one that CC names, else one of this machine, else the wheel if it was installed before."""
    named = [shlex.split(os.environ["CC"])] if os.environ.get("CC") else []
    return next((command for command in (*named, *([name] for name in NAMES), ZIG) if works(command)), None)


def install_wheel() -> list[str] | None:
    """A wheel with a compiler in it, into the environment that runs this; large, so only where there is no other."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = [*install, "--require-hashes", "-r", str(WHEEL)]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        return None
    return ZIG if works(ZIG) else None


def main() -> int:
    """Print the command, or say what to do."""
    command = found() or install_wheel()
    if command is None:
        sys.stderr.write(
            "The tests of power cuts need a C compiler, and none could be installed here.\n"
            "Install one (Debian: apt-get install gcc libc6-dev) and run the same command again.\n"
        )
        return 1
    sys.stdout.write(shlex.join(command) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
