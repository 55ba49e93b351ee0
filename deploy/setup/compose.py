"""Runs Docker Compose on `deploy/compose.yaml`, and builds one first where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

from deploy.servers.names import BUILT, ROOT
from deploy.setup import programs
from deploy.setup.debian import CannotSetUp

PLUGIN = ("docker", "compose")


def compose() -> list[str]:
    """The command of a Compose of version 2 or newer; raises `CannotSetUp`."""
    if subprocess.run([*PLUGIN, "version"], capture_output=True, check=False).returncode == 0:
        return [*PLUGIN]
    programs.make("compose")
    return [str(BUILT / "bin" / "compose")]


def main() -> int:
    """Its exit code; 1 with words when there is no Compose."""
    try:
        command = compose()
    except CannotSetUp as error:
        sys.stderr.write(f"{error}\n")
        return 1
    files = ["--env-file", str(ROOT / "deploy" / "images.env"), "--file", str(ROOT / "deploy" / "compose.yaml")]
    return subprocess.run([*command, *files, *sys.argv[1:]], env=os.environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
