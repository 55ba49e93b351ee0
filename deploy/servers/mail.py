"""Mailpit: takes every mail and shows it, sends none on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from deploy.servers.names import BUILT
from deploy.servers.ports import HOST, free_port
from deploy.servers.process import ServerProcess, responds


class MailpitProcess(ServerProcess):
    """`port` takes mail; at `mailbox` people and programs read it."""

    name: ClassVar[str] = "mailpit"

    def __init__(self, folder: Path, port: int = 0, *, mailbox_port: int = 0) -> None:
        super().__init__(folder, port)
        self.mailbox = f"http://{HOST}:{mailbox_port or free_port()}"

    @property
    def address(self) -> str:
        return f"smtp://{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        listen = ["--smtp", f"{HOST}:{self.port}", "--listen", self.mailbox.removeprefix("http://")]
        kept = ["--database", str(self.folder / "mails.db"), "--max", "0"]
        return [str(BUILT / "bin" / "mailpit"), *listen, *kept, "--disable-version-check"]

    def answers(self) -> bool:
        return responds(f"{self.mailbox}/livez")
