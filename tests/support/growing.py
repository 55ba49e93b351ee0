"""A small history that grows by three revisions, and a process that brings a database to its end.

`python -m tests.support.growing FOLDER URL` migrates the database by the revisions in FOLDER/versions, once FOLDER/go
is there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from shared.clock import SystemClock
from shared.database import Database
from shared.migrations.history import History
from shared.migrations.migrate import migrate

HOUSE_AND_GUESTS = """
    op.create_table("house", sa.Column("number", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.create_table(
        "guest",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("house", sa.Integer, sa.ForeignKey("house.number")),
    )
"""
COLOUR = """
    op.add_column("house", sa.Column("colour", sa.Text, nullable=False, server_default="white"))
    op.execute("UPDATE house SET colour = 'red' WHERE number = 1")
"""
NAME_NEEDED = """
    with op.batch_alter_table("house") as house:
        house.alter_column("name", nullable=False)
"""
REVISIONS = (HOUSE_AND_GUESTS, COLOUR, NAME_NEEDED)
SECONDS = 60


def write_revision(folder: Path, number: int, body: str) -> None:
    """Write one revision, as `make migration` would."""
    before = f"{number - 1:04}" if number > 1 else None
    head = f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "{number:04}"\ndown_revision = {before!r}\n'
    versions = folder / "versions"
    versions.mkdir(exist_ok=True)
    (versions / f"{number:04}_step.py").write_text(f"{head}\n\ndef upgrade() -> None:{body}", encoding="utf-8")


def history_of(folder: Path, *, revisions: int = len(REVISIONS)) -> History:
    """The history in the folder, with so many revisions."""
    for number, body in enumerate(REVISIONS[:revisions], start=1):
        write_revision(folder, number, body)
    return History(folder / "versions", version_table="house_version")


def open_house(url: str) -> Database:
    return Database(url, source="house", clock=SystemClock())


def start_process(folder: Path, url: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A process of its own that migrates once FOLDER/go is there."""
    command = [sys.executable, "-m", "tests.support.growing", str(folder), url]
    return subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def main() -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2]
    history = History(folder / "versions", version_table="house_version")
    (folder / f"ready-{os.getpid()}").touch()
    deadline = time.monotonic() + SECONDS
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.0005)
    database = open_house(url)
    migrate(database, [history])
    database.close()


if __name__ == "__main__":
    main()
