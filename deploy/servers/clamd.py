"""ClamAV's daemon as a plain process that knows one signature of our own: for tests, and no protection at all."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from deploy.servers.ports import HOST
from deploy.servers.process import ServerProcess

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The file that every scanner calls malware and that harms nobody; in two parts, so that none takes this one for it."""

SIGNATURES: Mapping[str, bytes] = {"Etma.Test.EICAR": EICAR}
LARGEST_STREAM_BYTES, LARGEST_FILE_BYTES = 6 * 1024 * 1024, 3 * 1024 * 1024


def clamd_program() -> str | None:
    """The path of clamd, which distributions keep where users do not look."""
    return shutil.which("clamd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))


class ClamdProcess(ServerProcess):
    """Small limits, so that tests can go beyond them; it says when it passes over something."""

    name: ClassVar[str] = "clamd"

    @property
    def address(self) -> str:
        return f"clamd://{HOST}:{self.port}"

    @property
    def socket_address(self) -> str:
        """The same by its socket in the file system."""
        return f"clamd+unix://{self._socket}"

    @property
    def command(self) -> Sequence[str]:
        return [clamd_program() or "clamd", "--config-file", str(self.folder / "clamd.conf")]

    @property
    def _socket(self) -> Path:
        return self.folder / "clamd.ctl"

    def prepare(self) -> None:
        signatures = self.folder / "signatures"
        signatures.mkdir(exist_ok=True)
        lines = (f"{name}:0:*:{content.hex()}\n" for name, content in SIGNATURES.items())
        (signatures / "etma.ndb").write_text("".join(lines), encoding="ascii")
        settings = {
            "Foreground": "yes",
            "TCPAddr": HOST,
            "TCPSocket": self.port,
            "LocalSocket": self._socket,
            "DatabaseDirectory": signatures,
            "StreamMaxLength": LARGEST_STREAM_BYTES,
            "MaxFileSize": LARGEST_FILE_BYTES,
            "MaxScanSize": LARGEST_FILE_BYTES,
            "AlertExceedsMax": "yes",
            "AlertEncrypted": "yes",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        (self.folder / "clamd.conf").write_text(text, encoding="utf-8")

    def answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"zPING\0")
                return connection.recv(16) == b"PONG\0"
        except OSError:
            return False
