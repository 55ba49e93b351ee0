"""What is measured beside ours, as processes: the floor, and tusd with its S3 store."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from bench.client import Target, form
from deploy.servers.names import BUILT
from deploy.servers.ports import HOST, free_port, taken
from deploy.servers.process import HttpServer
from shared.storage.s3.address import S3Address

START_SECONDS = 30.0


@contextmanager
def floor(objects_url: str, database_url: str) -> Iterator[Target]:
    """The floor on this store and this database."""
    port = free_port()
    with program("bench.floor", str(port), objects_url, database_url) as process:
        deadline = time.monotonic() + START_SECONDS
        while not taken(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the floor did not start; what it said is above")
            time.sleep(0.05)
        yield form(port, "/")


@contextmanager
def program(module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A module of ours as a process; killed at the end."""
    with subprocess.Popen([sys.executable, "-m", module, *arguments]) as process:
        try:
            yield process
        finally:
            process.kill()


class TusdProcess(HttpServer):
    """tusd, whose uploads go to a bucket that is there."""

    name: ClassVar[str] = "tusd"
    health: ClassVar[str] = "/metrics"

    def __init__(self, folder: Path, bucket_url: str) -> None:
        super().__init__(folder)
        self._store = S3Address.from_url(bucket_url)
        self.environment: Mapping[str, str] = {  # type: ignore[misc] # the keys are those of its bucket
            "AWS_ACCESS_KEY_ID": self._store.access_key,
            "AWS_SECRET_ACCESS_KEY": self._store.secret_key,
            "AWS_REGION": self._store.region,
        }

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        listen = ["-host", HOST, "-port", str(self.port), "-upload-dir", str(self.folder)]
        store = ["-s3-endpoint", f"http://{self._store.host}", "-s3-bucket", self._store.bucket]
        return [str(BUILT / "bin" / "tusd"), *listen, *store]

    def target(self) -> Target:
        """An upload is one request, that of its creation."""
        return Target(
            port=self.port,
            path=lambda _: "/files/",
            headers=lambda _, size: {
                "tus-resumable": "1.0.0",
                "upload-length": str(size),
                "content-type": "application/offset+octet-stream",
            },
        )
