"""The object stores: MinIO, and versitygw as a second one that shares no code with it."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import ClassVar

from deploy.servers.names import BUILT
from deploy.servers.ports import HOST
from deploy.servers.process import HttpServer

KEY, SECRET = "etma", "etma-secret"


class MinioProcess(HttpServer):
    """Objects are files in the folder `data`."""

    name: ClassVar[str] = "minio"
    health: ClassVar[str] = "/minio/health/cluster"
    environment: ClassVar[Mapping[str, str]] = {
        "MINIO_ROOT_USER": KEY,
        "MINIO_ROOT_PASSWORD": SECRET,
        "MINIO_BROWSER": "off",
    }

    @property
    def address(self) -> str:
        return f"s3://{KEY}:{SECRET}@{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        return [str(BUILT / "bin" / "minio"), "server", "--address", f"{HOST}:{self.port}", str(self.folder / "data")]


class VersitygwProcess(HttpServer):
    """Objects are files in the folder `data`, earlier versions in `versions`."""

    name: ClassVar[str] = "versitygw"
    health: ClassVar[str] = "/health"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    environment: ClassVar[Mapping[str, str]] = {
        "ROOT_ACCESS_KEY": KEY,
        "ROOT_SECRET_KEY": SECRET,
        "VGW_HEALTH": health,
    }

    @property
    def address(self) -> str:
        return f"s3://{KEY}:{SECRET}@{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        at = ["--quiet", "--port", f"{HOST}:{self.port}", "--iam-dir", str(self.folder / "iam")]
        kept = ["posix", "--versioning-dir", str(self.folder / "versions"), str(self.folder / "data")]
        return [str(BUILT / "bin" / "versitygw"), *at, *kept]

    def prepare(self) -> None:
        for name in ("iam", "versions", "data"):
            (self.folder / name).mkdir(exist_ok=True)
