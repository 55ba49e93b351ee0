"""Has the JavaScript client of the upload tests in `tests/clients/node_modules`."""

from __future__ import annotations

import sys

from deploy.servers.names import ROOT
from deploy.setup.debian import exit_code
from deploy.setup.npm import install


def main() -> None:
    """Install it, unless that was done."""
    install(ROOT / "tests" / "clients", "the JavaScript client of the tests")


if __name__ == "__main__":
    sys.exit(exit_code(main))
