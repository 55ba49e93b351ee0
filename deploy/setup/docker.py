"""Starts a Docker engine where none answers, and installs one first where Debian's packages may be installed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from deploy.setup.debian import CannotSetUp, exit_code, need

LOG = Path("/var/log/etma-dockerd.log")
SECONDS = 60
STALE = ("/var/run/docker.pid", "/var/run/docker/containerd/containerd.pid")


def answers() -> bool:
    """Whether an engine answers to the client."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def start() -> None:
    """Start the engine in the background; raises `CannotSetUp`."""
    if os.geteuid() != 0:
        raise CannotSetUp("No Docker engine answers. Start it, or let this run as root.")
    need("iptables", "iptables")
    engine = need("dockerd", "docker.io")
    if answers():
        return
    for file in STALE:
        Path(file).unlink(missing_ok=True)
    with LOG.open("wb") as log:
        subprocess.Popen([engine], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise CannotSetUp(
                f"The Docker engine did not start; {LOG} ends:\n{LOG.read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.2)


def ensure() -> None:
    """Do nothing when an engine answers; else start one. Raises `CannotSetUp`."""
    if not answers():
        start()


if __name__ == "__main__":
    sys.exit(exit_code(ensure))
