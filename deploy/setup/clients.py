"""Has the JavaScript client of the upload tests, by npm, in `tests/clients/node_modules`.

Node and npm are this machine's, or come as a wheel into the environment that runs this. The lock file names contents,
by their hashes, and no place; where they come from is npm's own setting.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.setup.debian import CannotSetUp, exit_code

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "clients"
LOCK, INSTALLED = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
WHEEL = ROOT / "requirements" / "node.txt"
OLDEST_NODE = 18


def node() -> str | None:
    """A Node that is new enough and has its npm beside it, this machine's or the wheel's."""
    from_wheel = str(Path(sys.executable).with_name("node"))
    for candidate in (shutil.which("node"), from_wheel):
        if candidate and shutil.which(npm_of(candidate)) and _version(candidate) >= OLDEST_NODE:
            return candidate
    return None


def npm_of(node: str) -> str:
    """The npm beside a Node."""
    return str(Path(node).with_name("npm"))


def install_clients() -> None:
    """Install what the lock file says, unless that was done; raises `CannotSetUp`."""
    found = node() or _from_wheel()
    if INSTALLED.exists() and INSTALLED.stat().st_mtime > LOCK.stat().st_mtime:
        return
    command = [npm_of(found), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    if subprocess.run(command, cwd=FOLDER, stdout=sys.stderr, check=False).returncode:
        raise CannotSetUp("npm could not install the JavaScript client of the tests; its words are above.")


def _from_wheel() -> str:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(WHEEL)], stdout=sys.stderr, check=False)
    found = node()
    if found is None:
        raise CannotSetUp(
            f"The tests of uploads need Node {OLDEST_NODE} or newer with npm, and it could not be installed here. "
            "Install it (Debian: apt-get install nodejs npm) and run the same command again."
        )
    return found


def _version(node: str) -> int:
    """The major version; 0 for a program that cannot say it."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    sys.exit(exit_code(install_clients))
