"""PostgreSQL of the distribution, with a cluster of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from deploy.servers.ports import HOST
from deploy.servers.process import DidNotStart, ServerProcess

USER, PASSWORD = "etma", "etma"
NOT_ROOT = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
REACHES_ALL = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--")
AS_POSTGRES = (*NOT_ROOT, *REACHES_ALL) if os.geteuid() == 0 else ()
"""PostgreSQL refuses to run as root. The capability lets its user reach a folder that is under one of root's."""


class PostgresProcess(ServerProcess):
    """Its user is a superuser, so that tests make databases of their own."""

    name: ClassVar[str] = "postgresql"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    @property
    def address(self) -> str:
        return f"postgresql+psycopg://{USER}:{PASSWORD}@{HOST}:{self.port}/postgres"

    @property
    def command(self) -> Sequence[str]:
        settings = {
            "port": self.port,
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": 400,
        }
        return [*self._with_data("postgres"), *(f"--{name}={value}" for name, value in settings.items())]

    def prepare(self) -> None:
        data = self.folder / "data"
        if data.exists():
            return
        data.mkdir()
        if AS_POSTGRES:
            subprocess.run(["chown", "postgres:", data], check=True)
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="ascii")
        options = [f"--username={USER}", f"--pwfile={password}", "--auth=scram-sha-256", "-E", "UTF8"]
        subprocess.run(
            [*self._with_data("initdb"), *options, "--locale=C.UTF-8"], cwd=self.folder, check=True, capture_output=True
        )

    def answers(self) -> bool:
        asking = [_program("pg_isready"), "--quiet", f"--host={HOST}", f"--port={self.port}"]
        return subprocess.run(asking, check=False).returncode == 0

    def _with_data(self, program: str) -> list[str]:
        return [*AS_POSTGRES, _program(program), "-D", str(self.folder / "data")]


def _program(name: str) -> str:
    folder = installed_version()
    if folder is None:
        raise DidNotStart("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return str(folder / name)


def installed_version() -> Path | None:
    """The folder of the newest version's programs."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in found), key=lambda folder: int(folder.parent.name), default=None)
