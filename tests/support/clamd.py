"""A small clamd of our own, for the faults that the real one does not show when asked."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.servers.clamd import EICAR
from deploy.servers.ports import free_port
from services.submission.scanning.clamd import Clamd

Answer = Callable[[bytes], str]


class FakeClamd:
    """Answers VERSION and INSTREAM as clamd does; `answer` decides about the content of a stream.

    `limit_bytes` is its StreamMaxLength. `scanned` holds what it was given whole, in order. While `closed` it takes no
    connections, and while `hanging` it reads everything and answers no stream.
    """

    def __init__(self) -> None:
        self.signatures = {"Eicar-Test-Signature": EICAR}
        self.version = "ClamAV 1.4.6/27811/Sat Nov 28 08:25:17 2026"
        self.limit_bytes = 1_000_000
        self.answer: Answer = self.find
        self.scanned: list[bytes] = []
        self.hanging = threading.Event()
        self.port = free_port()
        self._server: socketserver.ThreadingTCPServer | None = None

    @property
    def url(self) -> str:
        return f"clamd://127.0.0.1:{self.port}"

    def find(self, content: bytes) -> str:
        """As its signatures say."""
        for name, signature in self.signatures.items():
            if signature in content:
                return f"stream: {name} FOUND"
        return "stream: OK"

    def open(self) -> None:
        """Listen, always on the same port."""
        fake = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                fake.serve(self.request)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """It takes no connections within the block."""
        self.close()
        try:
            yield
        finally:
            self.open()

    def serve(self, connection: socket.socket) -> None:
        """One command of one connection."""
        command = _until_zero(connection)
        if command == b"zVERSION":
            connection.sendall(self.version.encode() + b"\0")
        elif command == b"zINSTREAM":
            connection.sendall(self._stream(connection).encode() + b"\0")
        else:
            connection.sendall(b"UNKNOWN COMMAND\0")

    def _stream(self, connection: socket.socket) -> str:
        content = b""
        while size := struct.unpack("!I", _exactly(connection, 4))[0]:
            content += _exactly(connection, size)
            if len(content) > self.limit_bytes:
                return "INSTREAM size limit exceeded. ERROR"
        while self.hanging.is_set():
            time.sleep(0.01)
        self.scanned.append(content)
        return self.answer(content)


@contextmanager
def fake_clamd() -> Iterator[FakeClamd]:
    """One that listens."""
    fake = FakeClamd()
    fake.open()
    try:
        yield fake
    finally:
        fake.hanging.clear()
        fake.close()


def client_of(fake: FakeClamd, *, quiet_seconds: float = 5.0) -> Clamd:
    """A client that loses its patience soon."""
    return Clamd(("127.0.0.1", fake.port), quiet_seconds=quiet_seconds)


def _until_zero(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\0"):
        received += _exactly(connection, 1)
    return received[:-1]


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise ConnectionResetError
        received += piece
    return received
