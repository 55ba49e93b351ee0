"""Installs what a folder's package-lock.json says, by npm, in its `node_modules`.

Node and npm are this machine's, or come as a wheel into the environment that runs this. Lock files name contents, by
their hashes, and no place; where they come from is npm's own setting.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.servers.names import ROOT
from deploy.setup.debian import CannotSetUp

WHEEL = ROOT / "requirements" / "node.txt"
OLDEST_NODE = 18


def install(folder: Path, what: str) -> Path:
    """The folder's `node_modules` as its lock file says; raises `CannotSetUp`, which names `what` could not be had."""
    program = node() or _from_wheel(what)
    modules, lock = folder / "node_modules", folder / "package-lock.json"
    installed = modules / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime > lock.stat().st_mtime:
        return modules
    command = [npm_of(program), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    if subprocess.run(command, cwd=folder, stdout=sys.stderr, check=False).returncode:
        raise CannotSetUp(f"npm could not install {what}; its words are above.")
    return modules


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


def _from_wheel(what: str) -> str:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(WHEEL)], stdout=sys.stderr, check=False)
    found = node()
    if found is None:
        raise CannotSetUp(
            f"Node {OLDEST_NODE} or newer with npm is needed for {what}, and could not be installed here. "
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
