"""Has the JavaScript client of the upload tests, by npm, in `tests/clients/node_modules`; needs Node 18 or newer.

The lock file names contents, by their hashes, and no place; where they come from is npm's own setting.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.setup.debian import CannotSetUp, exit_code, need

FOLDER = Path(__file__).parents[2] / "tests" / "clients"
LOCK, INSTALLED = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"


def install_clients() -> None:
    """Install what the lock file says, unless that was done; raises `CannotSetUp`."""
    need("node", "nodejs")
    npm = need("npm", "npm")
    if INSTALLED.exists() and INSTALLED.stat().st_mtime > LOCK.stat().st_mtime:
        return
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    if subprocess.run(command, cwd=FOLDER, stdout=sys.stderr, check=False).returncode:
        raise CannotSetUp("npm could not install the JavaScript client of the tests; its words are above.")


if __name__ == "__main__":
    sys.exit(exit_code(install_clients))
