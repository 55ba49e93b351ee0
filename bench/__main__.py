"""`python -m bench [NAME …] [--quick]`: measures and prints; all of it, and into RESULTS.md, when nothing is named."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import large, latency, pages, relaying, resumable, trickling, uploads, working
from deploy.servers.names import images_env

REPORTS: Mapping[str, Callable[..., str]] = {
    "uploads": uploads.report,
    "latency": latency.report,
    "relay": relaying.report,
    "worker": working.report,
    "large": large.report,
    "resumable": resumable.report,
    "trickling": trickling.report,
    "pages": pages.report,
}
RESULTS = Path(__file__).parent / "RESULTS.md"
FIGURES = "<!-- figures: what follows is written by make bench -->\n"
PACKAGES = ("faust-streaming", "kafka-python", "psycopg", "starlette", "uvicorn")
SERVERS = ("KAFKA_VERSION", "MINIO_MODULE", "TUSD_MODULE")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(REPORTS))
    parser.add_argument("--quick", action="store_true", help="only see that it works; the figures say little")
    given = parser.parse_args()
    found = [_said(REPORTS[name](quick=given.quick)) for name in given.names or REPORTS]
    if not (given.names or given.quick):
        prose, _, _ = RESULTS.read_text(encoding="utf-8").partition(FIGURES)
        RESULTS.write_text("\n".join([prose + FIGURES, _circumstances(), *found]).rstrip() + "\n", encoding="utf-8")


def _said(text: str) -> str:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return text


def _circumstances() -> str:
    """When, by which versions, and on what kind of machine."""
    names = images_env()
    servers = [names[name].rpartition("/")[2] if "MODULE" in name else f"Kafka {names[name]}" for name in SERVERS]
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    machine = f"{os.cpu_count()} shared cores, {platform.machine()}, Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}; {machine}; {', '.join([*servers, *packages])}.\n"


if __name__ == "__main__":
    main()
