"""Uploads a file of 1 GiB by each of two clients, in one process and on real servers, and compares what is kept.

Takes some minutes and eight gigabytes of disk; run by a person (`make acceptance`), not with the tests. Prints a line
for each upload; ends with 1 when the bytes differ or something is left in staging.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.observability.logs import configure_logs
from tests.acceptance.cluster import own_servers
from tests.support import javascript_client, python_client
from tests.support.uploading import MEBIBYTE, House, Uploader, cluster_house, embedded_house, text_of

SIZE_BYTES = 1024 * MEBIBYTE
SECONDS = 600

Client = Callable[[House, Uploader, Path], str]


def by_tuspy(house: House, student: Uploader, file: Path) -> str:
    """In the pieces that its users choose, here of 50 MiB; the upload's path."""
    return python_client.upload(house.gateway, student, file, chunk_size=50 * MEBIBYTE)


def by_javascript(house: House, student: Uploader, file: Path) -> str:
    """In one request, as is its default; the upload's path."""
    return javascript_client.path_in(javascript_client.upload(house.gateway, student.token, file, seconds=SECONDS))


CLIENTS: dict[str, Client] = {"tuspy": by_tuspy, "tus-js-client": by_javascript}


def main() -> int:
    """Upload by all clients to both; the complaints go to standard output."""
    configure_logs("ERROR")  # of the system in this process
    complaints: list[str] = []
    with tempfile.TemporaryDirectory(prefix="etma-acceptance-") as place:
        folder = Path(place)
        file, sha256 = written(folder / "film.txt")
        with embedded_house(folder) as house:
            complaints += accept(house, "embedded", file, sha256)
        with own_servers(folder / "servers"), cluster_house(folder / "cluster") as house:
            complaints += accept(house, "cluster", file, sha256)
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


def written(file: Path) -> tuple[Path, str]:
    """A file of so many bytes, and its SHA-256."""
    piece, digest = text_of(MEBIBYTE), hashlib.sha256()
    with file.open("wb") as writing:
        for number in range(SIZE_BYTES // MEBIBYTE):
            line = b"%08d\n" % number
            writing.write(line + piece[len(line) :])
            digest.update(line + piece[len(line) :])
    return file, digest.hexdigest()


def accept(house: House, mode: str, file: Path, sha256: str) -> Iterator[str]:
    """Upload and hand in by each client; what is wrong with what is kept."""
    for name, client in CLIENTS.items():
        student, began = house.student(), time.monotonic()
        path = client(house, student, file)
        sent = time.monotonic() - began
        ready = student.wait_for(path, "ready", seconds=SECONDS)
        checked = time.monotonic() - began - sent
        accepted = student.confirm(path)
        if accepted.status_code != 201:
            yield f"{name}, {mode}: {accepted.text}"
            continue
        kept = house.sha256_of(accepted.json()["submission_id"])
        house.wait_until_not_staged(path)
        sys.stdout.write(f"{name}, {mode}: 1 GiB sent in {sent:.1f} s, checked {checked:.1f} s later\n")
        sys.stdout.flush()
        if {kept, ready["sha256"]} != {sha256}:
            yield f"{name}, {mode}: sent {sha256}, said {ready['sha256']}, kept {kept}"


if __name__ == "__main__":
    sys.exit(main())
