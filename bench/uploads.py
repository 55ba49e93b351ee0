"""Uploads: how many are accepted in a second, and how long one waits, beside the floor and tusd."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.candidates import TusdProcess, floor
from bench.client import Load, Target, load, upload_alone
from bench.figures import PAIRS, Spread, ratios, table
from bench.world import STUDENTS, cluster, line, one_process
from shared.storage.s3_store import S3Store
from tests.support import postgresql
from tests.support.buckets import own_bucket
from tests.support.servers import address

KB, MB = 1000, 1_000_000
SIZES = {"20 KB": 20 * KB, "100 KB": 100 * KB, "1 MB": MB, "10 MB": 10 * MB}
CONCURRENCIES = (1, 8, 32)
RUN_SECONDS = 1.2
Measured = tuple[Callable[[], float], Mapping[str, Target]]
"""What waits until nothing is in flight and tells how long it took, and the targets by name, ours first."""

COLUMNS = ("file", "clients", "candidate", "per second", "p50 ms", "p99 ms", "client ms", "ours : it", "drained s")


def report(*, quick: bool) -> str:
    """A table for each way to run: all sizes and concurrencies, or one cell of them."""
    ways = {"on Kafka, MinIO and PostgreSQL": measured, "embedded": embedded}
    cells = [("100 KB", 8)] if quick else [(name, clients) for name in SIZES for clients in CONCURRENCIES]
    tables = []
    for way, of in ways.items():
        with of() as (settle, targets):
            rows = [row for name, clients in cells for row in _cell(name, clients, settle, targets)]
        tables.append(table(f"Uploads, {way}", COLUMNS, rows))
    return "\n".join(tables)


@contextmanager
def embedded() -> Iterator[Measured]:
    """The system in one process, and the floor on SQLite and a folder like its."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        system, target = stack.enter_context(one_process(folder))
        bare = stack.enter_context(floor(f"file://{folder / 'bare'}", f"sqlite:///{folder / 'bare.db'}"))
        targets = {"ours": target, "floor": bare}
        _warm(targets)
        yield system.settle, targets


@contextmanager
def measured() -> Iterator[Measured]:
    """Our line with its consumers, the floor and tusd on the same servers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        ours = stack.enter_context(line(stack.enter_context(cluster())))
        of_floor, of_tusd = (stack.enter_context(own_bucket(address("s3"))) for _ in range(2))
        S3Store.from_url(of_tusd)  # tusd makes no bucket
        tusd = TusdProcess(folder / "tusd", of_tusd)
        stack.callback(tusd.kill)
        tusd.start()
        bare = stack.enter_context(floor(of_floor, postgresql.new_database()))
        targets = {"ours": ours.target(), "floor": bare, "tusd": tusd.target()}
        _warm(targets)
        ours.cluster.settle()
        yield ours.cluster.settle, targets


def _warm(targets: Mapping[str, Target]) -> None:
    for target in targets.values():
        for _ in STUDENTS:
            upload_alone(target, KB)


def _cell(
    name: str, clients: int, settle: Callable[[], float], targets: Mapping[str, Target]
) -> list[Sequence[object]]:
    found: dict[str, list[Load]] = {candidate: [] for candidate in targets}
    drained = []
    for _ in range(PAIRS):
        for candidate, target in targets.items():
            found[candidate].append(load(target, size=SIZES[name], concurrency=clients, seconds=RUN_SECONDS))
            if candidate == "ours":
                drained.append(settle())
    mine = [each.per_second for each in found["ours"]]
    return [
        (
            name,
            clients,
            candidate,
            Spread.of([each.per_second for each in loads]),
            Spread.of([each.p50_ms for each in loads]),
            Spread.of([each.p99_ms for each in loads]),
            Spread.of([each.client_ms for each in loads]),
            "" if candidate == "ours" else ratios(mine, [each.per_second for each in loads]),
            Spread.of(drained) if candidate == "ours" else "",
        )
        for candidate, loads in found.items()
    ]
