"""Starts or stops all servers in `var/servers`: `python -m deploy.servers start|stop`.

They stay until they are stopped, and their data until the folder is removed. What is in `addresses.env` there is what
tests and settings need.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.servers.kafka import KafkaProcess
from deploy.servers.mail import MailpitProcess
from deploy.servers.names import ROOT
from deploy.servers.objects import MinioProcess, VersitygwProcess
from deploy.servers.postgresql import PostgresProcess
from deploy.servers.process import DidNotStart, ServerProcess

FOLDER = ROOT / "var" / "servers"
ADDRESSES = FOLDER / "addresses.env"


def main() -> int:
    """Do what the command line says; 1 when a server did not start."""
    if sys.argv[1:] == ["start"]:
        return _start()
    if sys.argv[1:] == ["stop"]:
        return _stop()
    sys.stderr.write(f"{__doc__}\n")
    return 2


def _servers(folder: Path = FOLDER) -> tuple[dict[str, ServerProcess], MailpitProcess]:
    mail = MailpitProcess(folder / "mailpit", 19_025, mailbox_port=19_026)
    return {
        "postgresql": PostgresProcess(folder / "postgresql", 19_032),
        "s3": MinioProcess(folder / "minio", 19_000),
        "second_s3": VersitygwProcess(folder / "versitygw", 19_001),
        "kafka": KafkaProcess(folder / "kafka", 19_092),
        "smtp": mail,
    }, mail


def _start() -> int:
    servers, mail = _servers()
    for server in servers.values():
        sys.stdout.write(f"{server.name:<12}{server.address}\n")
        try:
            server.start()
        except DidNotStart as error:
            sys.stderr.write(f"{error}\n")
            return 1
    addresses = {**{name: server.address for name, server in servers.items()}, "mailbox": mail.mailbox}
    lines = [f"export ETMA_TEST_{name.upper()}={address}\n" for name, address in addresses.items()]
    ADDRESSES.write_text("".join(lines), encoding="utf-8")
    sys.stdout.write(
        f"The mailbox is at {mail.mailbox}.\n"
        f"Next: source {ADDRESSES.relative_to(ROOT)}; make test-cluster. At the end: make stop-servers.\n"
    )
    return 0


def _stop() -> int:
    for server in _servers()[0].values():
        server.stop()
    ADDRESSES.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
