"""One file of a gigabyte: megabytes a second and the memory of the API process, beside one streamed PUT."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bench.client import Target, upload_alone
from bench.figures import PAIRS, Spread, ratios, table
from bench.world import Line, cluster, line
from shared.storage.s3.address import S3Address
from tests.support.buckets import own_bucket, sdk_of
from tests.support.servers import address

MB = 1_000_000
SIZE, QUICK_SIZE = 1000 * MB, 100 * MB
RESET_PEAK = "5"


def report(*, quick: bool) -> str:
    """The table; what was stored is removed after each turn."""
    size, pairs = (QUICK_SIZE, 1) if quick else (SIZE, PAIRS)
    ours, floor, growth = [], [], []
    with cluster() as found, line(found) as running:
        target = running.target()
        upload_alone(target, MB)
        for _ in range(pairs):
            rate, grown = _ours(running, target, size)
            ours.append(rate)
            growth.append(grown)
            floor.append(_put(size))
    rows = [
        ("ours, MB/s", Spread.of(ours)),
        ("one streamed PUT, MB/s", Spread.of(floor)),
        ("ours : PUT", ratios(ours, floor)),
        ("growth of the API process, MiB", Spread.of(growth)),
    ]
    return table(f"One file of {size // MB:,} MB", ("what", "median (least-greatest)"), rows)


def _ours(running: Line, target: Target, size: int) -> tuple[float, float]:
    """Megabytes a second, and by how many MiB the process was larger at its peak than before."""
    process = Path(f"/proc/{running.api.pid}")
    (process / "clear_refs").write_text(RESET_PEAK, encoding="ascii")
    before = kib_of(process, "VmRSS")
    seconds = upload_alone(target, size)
    grown = kib_of(process, "VmHWM") - before
    running.cluster.settle()
    return size / MB / seconds, grown / 1024


def _put(size: int) -> float:
    """Megabytes a second of one request to the store itself, signed beforehand and not hashed."""
    with own_bucket(address("s3")) as url:
        sdk, bucket = sdk_of(url), S3Address.from_url(url).bucket
        sdk.make_bucket(bucket)
        signed = urlsplit(sdk.presigned_put_object(bucket, "large", timedelta(hours=1)))
        target = Target(
            port=signed.port or 80, method="PUT", path=lambda _: f"{signed.path}?{signed.query}", headers=lambda *_: {}
        )
        return size / MB / upload_alone(target, size)


def kib_of(process: Path, name: str) -> int:
    """A line of /proc/PID/status, in KiB."""
    lines = (process / "status").read_text(encoding="ascii").splitlines()
    (line_of_it,) = [each for each in lines if each.startswith(f"{name}:")]
    return int(line_of_it.split()[1])
