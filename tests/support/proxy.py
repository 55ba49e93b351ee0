"""A proxy before a real server that spoils what goes through it, as networks do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

Rule = Callable[[bytes], bytes]
"""What becomes of bytes that pass; it may raise `Cut` or `Answer`."""


class Cut(Exception):
    """End the connection here; these bytes go nowhere."""


class Answer(Exception):
    """Answer the client with these bytes in the server's place."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


class Proxy(ThreadingTCPServer):
    """Rules may be changed at any time."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.upstream = (host, port)
        self.on_request: Rule = bytes
        self.on_answer: Rule = bytes
        self.open: set[socket.socket] = set()

    def close_all(self) -> None:
        """End all connections, as a server does with those that have been idle for long."""
        for upstream in self.open.copy():
            _end(upstream)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Connection(BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as upstream:
            back = threading.Thread(target=self._answers, args=(upstream,))
            back.start()
            self.server.open.add(upstream)
            try:
                _pump(self.request, upstream, self._request)
            except Answer as answer:
                self._answer(answer.text)
            finally:
                self.server.open.discard(upstream)
                _end(upstream)
                back.join()

    def _request(self, data: bytes) -> bytes:
        return self.server.on_request(data)

    def _response(self, data: bytes) -> bytes:
        return self.server.on_answer(data)

    def _answers(self, upstream: socket.socket) -> None:
        _pump(upstream, self.request, self._response)
        _end(self.request)

    def _answer(self, text: bytes) -> None:
        with suppress(OSError):
            self.request.sendall(text)
            self.request.shutdown(socket.SHUT_WR)
            while self.request.recv(65536):
                pass


def _pump(source: socket.socket, sink: socket.socket, rule: Rule) -> None:
    with suppress(OSError, Cut):
        while data := source.recv(65536):
            sink.sendall(rule(data))


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def once(rule: Rule) -> Rule:
    """Apply the rule until it has raised, or changed something, for the first time."""
    done = threading.Event()

    def apply(data: bytes) -> bytes:
        if done.is_set():
            return data
        try:
            changed = rule(data)
        except Exception:
            done.set()
            raise
        if changed != data:
            done.set()
        return changed

    return apply


@contextmanager
def proxy_before(host: str) -> Iterator[Proxy]:
    """A proxy before the server at `HOST:PORT`."""
    name, _, port = host.partition(":")
    with Proxy(name, int(port)) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            proxy.close_all()
            thread.join()
