"""Toxiproxy: a network between two programs that can be disturbed."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deploy.servers.names import BUILT
from deploy.servers.ports import HOST, free_port
from deploy.servers.process import HttpServer

REQUEST_SECONDS = 5


class ToxiproxyProcess(HttpServer):
    """`port` takes its orders; each way to a server gets a port of its own. A restart forgets all ways."""

    name: ClassVar[str] = "toxiproxy"
    health: ClassVar[str] = "/version"

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self._ways = self.folder / "ways.json"

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        return [str(BUILT / "bin" / "toxiproxy"), "-host", HOST, "-port", str(self.port), "-config", str(self._ways)]

    def prepare(self) -> None:
        self._ways.write_text("[]", encoding="ascii")

    def way_to(self, port: int) -> Way:
        """A new way to a server on this machine, undisturbed."""
        way = Way(toxiproxy=self.address, port=free_port())
        listen, upstream = f"{HOST}:{way.port}", f"{HOST}:{port}"
        _post(f"{self.address}/proxies", {"name": str(way.port), "listen": listen, "upstream": upstream})
        return way


@dataclass(frozen=True)
class Way:
    """Clients that connect to `port` reach the server, unless the way is disturbed."""

    toxiproxy: str
    port: int

    def cut(self) -> None:
        """Close all connections and refuse new ones."""
        _post(self._url, {"enabled": False})

    def mend(self) -> None:
        """Undo `cut`."""
        _post(self._url, {"enabled": True})

    def disturb(self, kind: str, *, stream: str = "downstream", **attributes: int) -> None:
        """Add one of Toxiproxy's toxics: by `timeout` with `timeout=0` what is sent vanishes, and nothing is closed."""
        _post(f"{self._url}/toxics", {"type": kind, "stream": stream, "attributes": attributes})

    @property
    def _url(self) -> str:
        return f"{self.toxiproxy}/proxies/{self.port}"


def _post(url: str, what: Mapping[str, object]) -> None:
    request = urllib.request.Request(url, json.dumps(what).encode(), {"User-Agent": "etma"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS):  # noqa: S310 - loopback
        return
