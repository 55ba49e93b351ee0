"""Ports of the loopback address for servers that stop and start again."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"
LOWEST, BELOW = 20_000, 32_000
"""Under the range from which outgoing connections take theirs: else a client that calls a stopped server could be
given the server's own port, and answer itself."""

_given: set[int] = set()


def free_port() -> int:
    """A port on which nobody listens now, and that neither this process nor one that still runs was given before.

    Its server may take seconds to listen: until then nothing but the claim tells the port from a free one.
    """
    while True:
        port = random.randrange(LOWEST, BELOW)
        if port not in _given and _claim(port) and not taken(port):
            _given.add(port)
            return port


def taken(port: int) -> bool:
    """Whether somebody listens on it."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _claim(port: int) -> bool:
    """Lock the port's byte of a file that all processes of this user share; the end of the process unlocks it."""
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    return True


@cache
def _claims() -> int:
    return os.open(Path(tempfile.gettempdir()) / f"etma-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
