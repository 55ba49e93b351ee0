"""The client of all candidates: keeps its connections, sends by plain sockets and costs as little as it can.

Every file is another one, so that no store can save itself the writing.
"""

from __future__ import annotations

import itertools
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from statistics import quantiles

from deploy.servers.ports import HOST

SECONDS = 60.0
PIECE_BYTES = 1024 * 1024
MAGIC = b"%PDF-1.4\n"
BOUNDARY = b"etma-bench-7d1b"
_numbers = itertools.count()


class Failed(Exception):
    """A candidate did not take an upload; there is nothing to measure."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where uploads go; `headers` gives those of one, by its number and the size of its file in bytes."""

    port: int
    method: str = "POST"
    path: Callable[[int], str]
    headers: Callable[[int, int], dict[str, str]]
    before: bytes = b""
    after: bytes = b""

    def head(self, number: int, size: int) -> bytes:
        length = len(self.before) + size + len(self.after)
        headers = {"host": f"{HOST}:{self.port}", "content-length": str(length), **self.headers(number, size)}
        lines = [
            f"{self.method} {self.path(number)} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.before


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a load found; `client_ms` is the client's own CPU time for an upload."""

    per_second: float
    p50_ms: float
    p99_ms: float
    client_ms: float


def form(port: int, path: str, headers: Callable[[int], dict[str, str]] = lambda _: {}) -> Target:
    """A target that takes the file as a browser sends it: in the part `file` of a form."""
    disposition = b'content-disposition: form-data; name="file"; filename="answer.pdf"'
    kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
    return Target(
        port=port,
        path=lambda _: path,
        headers=lambda number, _: kind | headers(number),
        before=b"\r\n".join([b"--" + BOUNDARY, disposition, b"content-type: application/pdf", b"", b""]),
        after=b"\r\n--" + BOUNDARY + b"--\r\n",
    )


def load(target: Target, *, size: int, concurrency: int, seconds: float) -> Load:
    """As many uploads as so many connections can make in that time, one after another; raises `Failed`."""
    began, cpu = time.monotonic(), time.process_time()

    def work(_: int) -> list[float]:
        with closing(_connected(target.port)) as connection:
            latencies = []
            while time.monotonic() < began + seconds:
                latencies.append(upload(target, connection, size))
            return latencies

    with ThreadPoolExecutor(concurrency) as threads:
        latencies = [each for found in threads.map(work, range(concurrency)) for each in found]
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    cuts = quantiles(latencies, n=100) if len(latencies) > 1 else latencies * 99
    return Load(
        per_second=len(latencies) / took,
        p50_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        client_ms=cpu / len(latencies) * 1000,
    )


def upload_alone(target: Target, size: int) -> float:
    """The seconds that one upload takes, on a connection of its own; raises `Failed`."""
    with closing(_connected(target.port)) as connection:
        return upload(target, connection, size)


def upload(target: Target, connection: socket.socket, size: int) -> float:
    """The seconds from the first byte sent to the whole answer; raises `Failed`."""
    head = target.head(next(_numbers), size)
    began = time.perf_counter()
    connection.sendall(head)
    for piece in _file(size):
        connection.sendall(piece)
    connection.sendall(target.after)
    answer = _answer(connection)
    took = time.perf_counter() - began
    if not answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 200")):
        raise Failed(answer.decode(errors="replace"))
    return took


def _file(size: int) -> Iterator[memoryview]:
    """Bytes that look like a PDF; none of the files, and no megabyte of one, is like another."""
    left = size
    while left:
        mark = MAGIC + uuid.uuid4().bytes
        piece = memoryview(mark + _noise())[: min(left, PIECE_BYTES)]
        yield piece
        left -= len(piece)


@cache
def _noise() -> bytes:
    return random.Random(4).randbytes(PIECE_BYTES)


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _answer(connection: socket.socket) -> bytes:
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer) < _length(answer):
        more = connection.recv(65536)
        if not more:
            raise Failed("the connection was closed")
        answer += more
    return answer


def _length(answer: bytes) -> int:
    head, _, _ = answer.lower().partition(b"\r\n\r\n")
    _, _, rest = head.partition(b"\r\ncontent-length:")
    return len(head) + 4 + int(rest.split(b"\r\n")[0] or 0)
