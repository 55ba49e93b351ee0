"""Each part that keeps something, with the power cut after each of its syncs: what it said it kept, it kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest

from services.replay.journal import Journal
from shared.keys import load_or_create_key, load_or_create_secret
from shared.stepped_clock import SteppedClock
from shared.storage.file_store import FileStore
from tests.support.power import Disk, after_each_sync

Cuts = Callable[[str], Sequence[tuple[Disk, Sequence[str]]]]


@pytest.fixture
def cuts(tmp_path: Path, power_library: Path) -> Cuts:
    """What is left of a program at each cut; at its end it had said something."""

    def all_cuts(program: str) -> Sequence[tuple[Disk, Sequence[str]]]:
        found = list(after_each_sync(tmp_path, power_library, program))
        assert found[-1][1]
        return found

    return all_cuts


def test_an_object_that_was_finished_is_there_and_none_is_torn(cuts: Cuts) -> None:
    program = """
from pathlib import Path
from shared.storage.file_store import FileStore
store = FileStore(Path("objects"))
for key in ("work/0", "work/1"):
    with store.writer(key) as writer:
        writer.write(key.encode() * 1000)
        print(key, writer.finish().version, flush=True)
"""
    for disk, said in cuts(program):
        store = FileStore(disk.root / "objects")
        found = {(each.key, each.version): b"".join(store.read(each.key, each.version)) for each in store.walk()}
        assert {tuple(line.split()) for line in said} <= set(found)
        assert all(content == key.encode() * 1000 for (key, _), content in found.items())


def test_an_object_that_was_deleted_does_not_come_back(cuts: Cuts) -> None:
    program = """
from pathlib import Path
from shared.storage.file_store import FileStore
store = FileStore(Path("objects"))
with store.writer("work/0") as writer:
    writer.write(b"secret")
    stored = writer.finish()
store.delete(stored.key, stored.version)
print("deleted", flush=True)
"""
    for disk, said in cuts(program):
        assert not said or not list(FileStore(disk.root / "objects").walk())


def test_a_mail_that_was_accepted_is_there_and_none_is_torn(cuts: Cuts) -> None:
    program = """
from datetime import datetime, UTC
from pathlib import Path
from services.notifier.channels.file_channel import FileChannel
from services.notifier.channels.port import Mail
channel = FileChannel(Path("mail"))
for ids in (("aa1", "aa2"), ("aa3", "bb1")):
    channel.send_all([
        Mail(delivery_id=each, message_id=f"<{each}@example.org>", sender="a@example.org", to="b@example.org",
             subject="Received", text="Thank you", html="<p>Thank you</p>", date=datetime(2026, 11, 2, tzinfo=UTC))
        for each in ids
    ])
    print(*ids, sep="\\n", flush=True)
"""
    for disk, said in cuts(program):
        mails = {path.stem: message_from_bytes(path.read_bytes()) for path in disk.root.rglob("[!.]*.eml")}
        assert set(said) <= set(mails)
        assert all(mail["Message-ID"] == f"<{name}@example.org>" for name, mail in mails.items())
        assert all(len(mail.get_payload()) == 2 for mail in mails.values())


def test_a_key_that_was_used_is_the_same_afterwards(cuts: Cuts) -> None:
    program = """
from pathlib import Path
from shared.keys import load_or_create_key, load_or_create_secret
print(load_or_create_key(Path("keys/receipt.json")).kid, flush=True)
print(load_or_create_secret(Path("keys/forms.secret")).hex(), flush=True)
"""
    for disk, said in cuts(program):
        key = load_or_create_key(disk.root / "keys" / "receipt.json")
        secret = load_or_create_secret(disk.root / "keys" / "forms.secret")
        assert [key.kid, secret.hex()][: len(said)] == said
        assert (disk.root / "keys" / "receipt.json").stat().st_mode & 0o777 == 0o600


def test_a_receipt_that_the_client_holds_stays_in_its_journal(cuts: Cuts) -> None:
    program = """
from pathlib import Path
from services.replay.journal import Journal
journal = Journal(Path("replay"))
for name in ("e30.e30.1", "e30.e30.2"):
    journal.add(name)
    journal.sync(seconds=1.0, accept_ms=[1.0])
    print(name, flush=True)
"""
    for disk, said in cuts(program):
        Journal(disk.root / "replay").close()
        kept = (disk.root / "replay" / "receipts" / "client.jsonl").read_text(encoding="ascii").splitlines()
        assert kept[: len(said)] == said


def test_the_stepped_clock_never_goes_back(cuts: Cuts) -> None:
    program = """
from datetime import UTC, datetime
from pathlib import Path
from shared.stepped_clock import SteppedClock
clock = SteppedClock(Path("replay/clock"))
for day in (1, 2, 3):
    clock.move_to(datetime(2026, 11, day, tzinfo=UTC))
    print(clock.now().isoformat(), flush=True)
"""
    for disk, said in cuts(program):
        clock = SteppedClock(disk.root / "replay" / "clock")
        if said or clock.path.exists():
            assert clock.now() >= max(map(datetime.fromisoformat, said), default=datetime(2026, 11, 1, tzinfo=UTC))


def test_a_file_put_in_place_is_the_old_one_or_the_new_one(cuts: Cuts) -> None:
    program = """
from pathlib import Path
from shared.disk import put_durably
for content in ("first", "second"):
    put_durably(Path("place"), content.encode())
    print(content, flush=True)
"""
    for disk, said in cuts(program):
        place = disk.root / "place"
        found = place.read_text(encoding="ascii") if place.exists() else ""
        assert found in {"", "first", "second"}
        assert found >= max(said, default="")


def test_a_folder_made_durably_is_there_with_its_parents(cuts: Cuts) -> None:
    program = """
from pathlib import Path
from shared.disk import make_folder_durably, sync_folder
make_folder_durably(Path("a/b/c"))
print("a/b/c", flush=True)
"""
    for disk, said in cuts(program):
        assert all((disk.root / path).is_dir() for path in said)


def test_a_commit_is_never_taken_back(cuts: Cuts) -> None:
    program = """
import sqlalchemy as sa
from shared.clock import SystemClock
from shared.database import Database
database = Database("sqlite:///service.db", source="service", clock=SystemClock())
metadata = sa.MetaData()
table = sa.Table("kept", metadata, sa.Column("name", sa.Text))
metadata.create_all(database.engine)
for name in ("a", "b", "c"):
    with database.transaction() as tx:
        tx.connection.execute(sa.insert(table), [{"name": name}])
    print(name, flush=True)
"""
    for disk, said in cuts(program):
        with closing(sqlite3.connect(disk.root / "service.db")) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            rows = [name for (name,) in connection.execute("SELECT name FROM kept")] if "kept" in tables else []
            (intact,) = connection.execute("PRAGMA integrity_check").fetchone()
        assert rows[: len(said)] == said
        assert intact == "ok"
