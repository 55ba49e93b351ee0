"""Uploads by tus beside tusd on the same store, small ones and one of a gigabyte.

Both servers get the same requests: one that creates, and one that brings the bytes. Ours checks the file within the
second; its figure until the receipt has a third request, that hands in.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench.candidates import TusdProcess
from bench.client import Failed
from bench.figures import PAIRS, Spread, ratios, table
from bench.world import ASSIGNMENT, Line, cluster, line, tokens_of
from deploy.servers.ports import HOST
from shared.storage.s3_store import S3Store
from tests.support.buckets import own_bucket
from tests.support.servers import address
from tests.support.uploading import metadata_of

KB, MB = 1000, 1_000_000
SMALL, CLIENTS, RUN_SECONDS = 100 * KB, 8, 3.0
LARGE, QUICK_LARGE = 1000 * MB, 100 * MB
SECONDS = 300
PIECE_BYTES = 1024 * 1024
_numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class TusServer:
    """Where uploads are created; `headers` are those of one, by its number. `confirms`: hand-ins are taken."""

    port: int
    path: str
    headers: Callable[[int], Mapping[str, str]]
    confirms: bool


@dataclass(frozen=True, kw_only=True)
class Took:
    """Seconds until the last byte was answered, and until the receipt, where there is one."""

    upload: float
    receipt: float


def report(*, quick: bool) -> str:
    """The table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        running = stack.enter_context(line(stack.enter_context(cluster())))
        bucket = stack.enter_context(own_bucket(address("s3")))
        S3Store.from_url(bucket)  # tusd makes no bucket
        tusd = TusdProcess(folder / "tusd", bucket)
        stack.callback(tusd.kill)
        tusd.start()
        return table("Uploads by tus", COLUMNS, _beside(running, _ours(running), _theirs(tusd), quick=quick))


COLUMNS = ("file", "clients", "candidate", "per second", "p50 ms", "p50 ms to the receipt", "ours : it")


def _ours(running: Line) -> TusServer:
    tokens = tokens_of(running.cluster.system)

    def headers(number: int) -> Mapping[str, str]:
        metadata = metadata_of(assignment=ASSIGNMENT, filename="answer.pdf")
        return {"authorization": f"Bearer {tokens[number % len(tokens)]}", "upload-metadata": metadata}

    return TusServer(port=running.api.port, path="/api/v1/uploads", headers=headers, confirms=True)


def _theirs(tusd: TusdProcess) -> TusServer:
    return TusServer(port=tusd.port, path="/files/", headers=lambda _: {}, confirms=False)


def _beside(running: Line, ours: TusServer, tusd: TusServer, *, quick: bool) -> list[tuple[object, ...]]:
    small: dict[str, list[list[Took]]] = {"ours": [], "tusd": []}
    large: dict[str, list[list[Took]]] = {"ours": [], "tusd": []}
    for _ in range(1 if quick else PAIRS):
        for name, server in (("ours", ours), ("tusd", tusd)):
            small[name].append(_load(server))
            large[name].append([_upload(server, QUICK_LARGE if quick else LARGE)])
            running.cluster.settle()
    size = f"{(QUICK_LARGE if quick else LARGE) // MB:,} MB"
    return [*_rows("100 KB", CLIENTS, small, RUN_SECONDS), *_rows(size, 1, large, None)]


def _rows(
    file: str, clients: int, found: Mapping[str, list[list[Took]]], seconds: float | None
) -> list[tuple[object, ...]]:
    """Without `seconds`, a run is one upload after another, and its time theirs."""
    rates = {
        name: [len(run) / (seconds or sum(took.upload for took in run)) for run in runs] for name, runs in found.items()
    }
    return [
        (
            file,
            clients,
            name,
            Spread.of(rates[name]),
            Spread.of([_middle([took.upload for took in run]) for run in runs]),
            Spread.of([_middle([took.receipt for took in run]) for run in runs]) if name == "ours" else "",
            "" if name == "ours" else ratios(rates["ours"], rates[name]),
        )
        for name, runs in found.items()
    ]


def _middle(seconds: list[float]) -> float:
    """The median, in milliseconds."""
    return sorted(seconds)[len(seconds) // 2] * 1000


def _load(server: TusServer) -> list[Took]:
    end = time.monotonic() + RUN_SECONDS

    def work(_: int) -> list[Took]:
        found = []
        while time.monotonic() < end:
            found.append(_upload(server, SMALL))
        return found

    with ThreadPoolExecutor(CLIENTS) as threads:
        return [took for found in threads.map(work, range(CLIENTS)) for took in found]


def _upload(server: TusServer, size: int) -> Took:
    """One upload on a connection of its own, handed in where that can be; raises `Failed`."""
    number = next(_numbers)
    headers = {"tus-resumable": "1.0.0", **server.headers(number)}
    with closing(HTTPConnection(HOST, server.port, timeout=SECONDS)) as connection:
        began = time.perf_counter()
        created = _ask(connection, "POST", server.path, {**headers, "upload-length": str(size)})
        path = urlsplit(created.headers["location"]).path
        patch = {**headers, "upload-offset": "0", "content-type": "application/offset+octet-stream"}
        patch["content-length"] = str(size)
        _ask(connection, "PATCH", path, patch, _pieces(number, size))
        uploaded = time.perf_counter() - began
        if server.confirms:
            _confirm(connection, path, headers)
        return Took(upload=uploaded, receipt=time.perf_counter() - began)


def _confirm(connection: HTTPConnection, path: str, headers: Mapping[str, str]) -> None:
    while (state := json.loads(_ask(connection, "GET", path, headers).said)["state"]) == "checking":
        time.sleep(0.02)
    if state != "ready":
        raise Failed(f"the upload is {state}")
    _ask(connection, "POST", f"{path}/confirm", headers)


@dataclass(frozen=True)
class Answer:
    """What was answered with success."""

    headers: Mapping[str, str]
    said: bytes


def _ask(
    connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: list[bytes] | None = None
) -> Answer:
    connection.request(method, path, body=body, headers=dict(headers))
    answer: HTTPResponse = connection.getresponse()
    said = answer.read()
    if answer.status >= 300:  # noqa: PLR2004 - the classes of HTTP
        raise Failed(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
    return Answer({name.lower(): value for name, value in answer.getheaders()}, said)


def _pieces(number: int, size: int) -> list[bytes]:
    """A PDF by its look, another one each time."""
    noise = _noise()
    first = (b"%%PDF-1.4\n%020d" % number + noise)[: min(size, PIECE_BYTES)]
    more, rest = divmod(size - len(first), PIECE_BYTES)
    return [first, *[noise] * more, noise[:rest]]


@cache
def _noise() -> bytes:
    return random.Random(4).randbytes(PIECE_BYTES)
