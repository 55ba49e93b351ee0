"""`python -m bench [uploads …] [--quick]`: measures and prints; all of it, when nothing is named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from bench import large, latency, relaying, uploads, working

REPORTS: Mapping[str, Callable[..., str]] = {
    "uploads": uploads.report,
    "latency": latency.report,
    "relay": relaying.report,
    "worker": working.report,
    "large": large.report,
}


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(REPORTS))
    parser.add_argument("--quick", action="store_true", help="only see that it works; the figures say little")
    given = parser.parse_args()
    for name in given.names or REPORTS:
        sys.stdout.write(REPORTS[name](quick=given.quick) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
