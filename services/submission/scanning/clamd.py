"""ClamAV's daemon by its own protocol: `VERSION` and `INSTREAM`, one connection a command. It stores nothing.

`clamd://HOST:PORT` or `clamd+unix:///PATH`. What clamd passes over as too large or encrypted, it says only when its
own settings make it say so: StreamMaxLength, MaxFileSize and MaxScanSize above the largest upload, AlertExceedsMax and
AlertEncrypted on (docs/operations.md).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from services.submission.scanning.domain import Verdict
from services.submission.scanning.port import ScanFailed, ScannerAway
from shared.contracts import ScanOutcome
from shared.settings import BadSettings, path_in

CONNECT_SECONDS = 5.0
QUIET_SECONDS = 150.0
"""How long clamd may take for an answer, or to take more bytes: its MaxScanTime is two minutes."""

SCAN_SECONDS = 300.0
"""How long a file may take altogether."""

LARGEST_ANSWER_BYTES = 4096

_TOO_LARGE = "size limit exceeded"
_NOT_LOOKED_INTO = ("Heuristics.Limits.Exceeded", "Heuristics.Encrypted")


class Clamd:
    """See `port.Scanner`."""

    def __init__(
        self,
        place: tuple[str, int] | str,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        scan_seconds: float = SCAN_SECONDS,
    ) -> None:
        self.place = place
        self.quiet_seconds = quiet_seconds
        self.scan_seconds = scan_seconds

    @classmethod
    def from_url(cls, url: str) -> Clamd:
        """Raises `BadSettings`."""
        parts = urlsplit(url)
        if parts.scheme == "clamd+unix" and parts.path and not parts.netloc:
            return cls(str(path_in(url)))
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme != "clamd" or not host or not port or parts.path not in {"", "/"}:
            raise BadSettings("ETMA_SCANNER_URL: write clamd://HOST:PORT or clamd+unix:///PATH.")
        return cls((host, port))

    def signatures(self) -> str:
        with self._connection() as connection:
            try:
                connection.settimeout(CONNECT_SECONDS)
                connection.sendall(b"zVERSION\0")
                answer = _answer(connection)
            except OSError as error:
                raise ScannerAway from error
        if not answer:
            raise ScannerAway
        return answer

    def scan(self, content: Iterable[bytes]) -> Verdict:
        deadline = time.monotonic() + self.scan_seconds
        with self._connection() as connection:
            _send(connection, content, deadline)
            try:
                answer = _answer(connection)
            except OSError as error:
                raise ScanFailed("The scanner gave no answer.") from error
        return verdict_of(answer)

    @contextmanager
    def _connection(self) -> Iterator[socket.socket]:
        connection = self._connected()
        try:
            connection.settimeout(self.quiet_seconds)
            yield connection
        finally:
            connection.close()

    def _connected(self) -> socket.socket:
        try:
            if not isinstance(self.place, str):
                return socket.create_connection(self.place, timeout=CONNECT_SECONDS)
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(CONNECT_SECONDS)
            connection.connect(self.place)
        except OSError as error:
            raise ScannerAway from error
        return connection


def verdict_of(answer: str) -> Verdict:
    """What clamd's line about a stream means; raises `ScanFailed` for one that is no verdict."""
    words = answer.removeprefix("stream: ")
    if words == "OK":
        return Verdict(outcome=ScanOutcome.CLEAN)
    if words.endswith(" FOUND"):
        name = words.removesuffix(" FOUND")
        passed_over = name.startswith(_NOT_LOOKED_INTO)
        return Verdict(outcome=ScanOutcome.UNSCANNABLE if passed_over else ScanOutcome.BLOCKED, finding=name)
    if words.endswith("ERROR") and _TOO_LARGE in words:
        return Verdict(outcome=ScanOutcome.UNSCANNABLE, finding="StreamMaxLength")
    raise ScanFailed(f"The scanner answered {answer[:100]!r}.")


def _send(connection: socket.socket, content: Iterable[bytes], deadline: float) -> None:
    """Send the file as clamd reads it, or as much as it takes: where it takes no more, its answer says why."""
    if not _takes(connection, b"zINSTREAM\0"):
        return
    for piece in content:
        if time.monotonic() > deadline:
            raise ScanFailed("The file took too long.")
        if piece and not _takes(connection, struct.pack("!I", len(piece)) + piece):
            return
    _takes(connection, struct.pack("!I", 0))


def _takes(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except TimeoutError as error:
        raise ScanFailed("The scanner takes no more of the file.") from error
    except OSError:
        return False
    return True


def _answer(connection: socket.socket) -> str:
    """The line up to its zero byte, or to the end; `OSError` when there is none in time."""
    received = b""
    while b"\0" not in received and len(received) < LARGEST_ANSWER_BYTES:
        piece = connection.recv(LARGEST_ANSWER_BYTES)
        if not piece:
            break
        received += piece
    return received.partition(b"\0")[0].decode("utf-8", "replace").strip()
