"""Ports of the loopback address for servers that stop and start again."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
LOWEST, BELOW = 20_000, 32_000
"""Under the range from which outgoing connections take theirs: else a client that calls a stopped server could be
given the server's own port, and answer itself."""


def free_port() -> int:
    """A port on which nobody listens now."""
    while True:
        port = random.randrange(LOWEST, BELOW)
        if not taken(port):
            return port


def taken(port: int) -> bool:
    """Whether somebody listens on it."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
