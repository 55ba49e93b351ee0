"""Finds a browser for the tests, else installs one, else says what is missing. Prints the path of its program.

Needs nothing but Python, because it may run before anything is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from deploy.setup.debian import install

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """The path of a browser of this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install_from_playwright() -> str | None:
    """Playwright's own build, where it can be had."""
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        return None
    where = "from playwright.sync_api import sync_playwright as p\nwith p() as b: print(b.chromium.executable_path)"
    answer = subprocess.run([sys.executable, "-c", where], capture_output=True, text=True, check=False)
    path = answer.stdout.strip()
    return path if path and Path(path).exists() else None


def main() -> int:
    """Print the path, or say what to do."""
    path = found() or (install("chromium") and found()) or install_from_playwright()
    if path is None:
        sys.stderr.write(
            "The browser tests need Chromium, and it could not be installed here.\n"
            "Install it (Debian: apt-get install chromium) and run the same command again.\n"
        )
        return 1
    sys.stdout.write(path + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
