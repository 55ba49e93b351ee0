"""The layer that cuts the power works itself: what was not synced is gone, what was synced is there."""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass

import pytest

from tests.support.power import Disk

HELPERS = textwrap.dedent("""
    import os

    def write(path, content, *, sync=os.fsync, mode="wb"):
        with open(path, mode) as file:
            file.write(content)
            file.flush()
            if sync:
                sync(file.fileno())

    def sync_folder(path):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    """)


@dataclass(frozen=True, kw_only=True)
class Case:
    does: str
    program: str
    left: dict[str, bytes]


CASES = (
    Case(does="nothing synced", program="write('a', b'1', sync=None)", left={}),
    Case(does="synced, its name not", program="write('a', b'1')", left={}),
    Case(
        does="its name synced, its bytes not", program="write('a', b'1', sync=None); sync_folder('.')", left={"a": b""}
    ),
    Case(does="both synced", program="write('a', b'1'); sync_folder('.')", left={"a": b"1"}),
    Case(does="by fdatasync", program="write('a', b'1', sync=os.fdatasync); sync_folder('.')", left={"a": b"1"}),
    Case(
        does="the name synced before the bytes",
        program="write('a', b'', sync=None); sync_folder('.'); write('a', b'1', mode='r+b')",
        left={"a": b"1"},
    ),
    Case(
        does="written over",
        program="write('a', b'1'); sync_folder('.'); write('a', b'2', sync=None)",
        left={"a": b"1"},
    ),
    Case(does="appended", program="write('a', b'1'); sync_folder('.'); write('a', b'2', mode='ab')", left={"a": b"12"}),
    Case(does="renamed", program="write('a', b'1'); sync_folder('.'); os.rename('a', 'b')", left={"a": b"1"}),
    Case(
        does="renamed and synced",
        program="write('a', b'1'); sync_folder('.'); os.rename('a', 'b'); sync_folder('.')",
        left={"b": b"1"},
    ),
    Case(
        does="put in the place of another",
        program="write('a', b'1'); write('b', b'2'); sync_folder('.'); os.replace('b', 'a'); sync_folder('.')",
        left={"a": b"2"},
    ),
    Case(
        does="an unsynced file put in the place of another",
        program="write('a', b'1'); write('b', b'2', sync=None); os.replace('b', 'a'); sync_folder('.')",
        left={"a": b""},
    ),
    Case(does="deleted", program="write('a', b'1'); sync_folder('.'); os.unlink('a')", left={"a": b"1"}),
    Case(
        does="deleted and synced",
        program="write('a', b'1'); sync_folder('.'); os.unlink('a'); sync_folder('.')",
        left={},
    ),
    Case(
        does="in a folder without a durable name",
        program="os.mkdir('f'); write('f/a', b'1'); sync_folder('f')",
        left={},
    ),
    Case(
        does="in a folder with a durable name",
        program="os.mkdir('f'); sync_folder('.'); write('f/a', b'1'); sync_folder('f')",
        left={"f/a": b"1"},
    ),
    Case(
        does="moved, only the folder synced from which it went",
        program="os.mkdir('f'); write('a', b'1'); sync_folder('.'); os.rename('a', 'f/a'); sync_folder('.')",
        left={},
    ),
    Case(
        does="moved, only the folder synced to which it went",
        program="os.mkdir('f'); write('a', b'1'); sync_folder('.'); os.rename('a', 'f/a'); sync_folder('f')",
        left={"a": b"1", "f/a": b"1"},
    ),
    Case(does="by a descriptor that was deleted", program="f = open('a', 'w+b'); os.unlink('a'); os.fsync(f)", left={}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.does)
def test_what_is_left_is_what_was_synced(case: Case, disk: Disk) -> None:
    disk.run(HELPERS + case.program)
    disk.cut()
    assert disk.files() == case.left


def test_a_new_file_with_the_inode_number_of_an_old_one_does_not_get_its_bytes(disk: Disk) -> None:
    reuse = """
for number in range(1000):
    write('old', b'1'); inode = os.stat('old').st_ino; os.unlink('old')
    write('new', b'2', sync=None)
    if os.stat('new').st_ino == inode:
        break
    os.unlink('new')
else:
    print('no inode number came again')
sync_folder('.')
"""
    assert disk.run(HELPERS + reuse).said == []
    disk.cut()
    assert disk.files() == {"new": b""}


def test_all_that_came_through_a_cut_is_durable_and_known_at_the_next(disk: Disk) -> None:
    disk.run(
        HELPERS + "os.mkdir('f'); write('f/a', b'1'); write('f/b', b'', sync=None); sync_folder('f'); sync_folder('.')"
    )
    disk.cut()
    disk.run(HELPERS + "write('f/a', b'2', sync=None); write('f/b', b'3'); os.rename('f', 'g')")
    disk.cut()
    assert disk.files() == {"f/a": b"1", "f/b": b"3"}


def test_permissions_come_through(disk: Disk) -> None:
    disk.run(HELPERS + "write('a', b'1'); os.chmod('a', 0o640); write('a', b'2', mode='ab'); sync_folder('.')")
    disk.cut()
    assert (disk.root / "a").stat().st_mode & 0o777 == 0o640


def test_what_lies_elsewhere_is_no_part_of_the_disk(disk: Disk) -> None:
    beside = disk.root.with_name("root-beside")
    beside.mkdir()
    disk.run(HELPERS + f"write({str(beside / 'a')!r}, b'1'); sync_folder({str(beside)!r})")
    disk.cut()
    assert (disk.files(), (beside / "a").read_bytes()) == ({}, b"1")


@pytest.mark.parametrize("number", range(1, 4))
def test_the_power_is_cut_as_soon_as_the_sync_is_done(number: int, disk: Disk) -> None:
    program = "sync_folder('.')\nfor name in 'abc':\n    write(name, b'1'); print(name, flush=True)\n"
    run = disk.run(HELPERS + "for name in 'abc': write(name, b'', sync=None)\n" + program, cut_after=number + 1)
    disk.cut()
    assert (list(run.said), run.ended) == (list("abc"[: number - 1]), False)
    assert [name for name, content in disk.files().items() if content] == list("abc"[:number])


def test_threads_that_sync_one_file_never_lose_what_one_of_them_was_told(disk: Disk) -> None:
    program = """
import threading
log = os.open('log', os.O_RDWR | os.O_CREAT | os.O_APPEND)
sync_folder('.')
def work(thread):
    for number in range(60):
        os.write(log, f'{thread}-{number}\\n'.encode())
        os.fsync(log)
        os.write(1, f'{thread}-{number}\\n'.encode())
threads = [threading.Thread(target=work, args=[each], daemon=True) for each in range(8)]
for each in threads: each.start()
for each in threads: each.join()
"""
    run = disk.run(HELPERS + program, cut_after=300)
    disk.cut()
    kept = disk.files()["log"].decode().splitlines()
    assert len(run.said) > 200
    assert set(run.said) <= set(kept)


def test_a_lock_on_a_synced_file_is_still_held(disk: Disk) -> None:
    program = """
import fcntl, subprocess, sys
file = open('a', 'w+b')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.fsync(file.fileno()); sync_folder('.')
other = "import fcntl; fcntl.lockf(open('a', 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
print(subprocess.run([sys.executable, '-c', other], capture_output=True, text=True).stderr.split()[-1])
"""
    assert disk.run(HELPERS + program).said == ["unavailable"]


@pytest.mark.parametrize(
    ("journal_mode", "synchronous", "left"),
    [("WAL", "FULL", 100), ("WAL", "NORMAL", 0), ("DELETE", "FULL", 99), ("DELETE", "EXTRA", 100), ("WAL", "OFF", 0)],
)
def test_sqlite_keeps_what_its_settings_promise(journal_mode: str, synchronous: str, left: int, disk: Disk) -> None:
    settings = "import sqlite3; c = sqlite3.connect('{}', isolation_level=None); c.execute('PRAGMA synchronous={}')"
    made = "c.execute('PRAGMA journal_mode={}'); c.execute('CREATE TABLE t (n)'); c.close(); sync_folder('.')"
    disk.run(HELPERS + settings.format("db", "EXTRA") + "\n" + made.format(journal_mode))
    filled = "[c.execute('INSERT INTO t VALUES (?)', [n]) for n in range(100)]"
    disk.run(settings.format("db", synchronous) + "\n" + filled)
    disk.cut()
    count = "print(c.execute('SELECT count(*) FROM t').fetchone()[0])"
    assert disk.run(settings.format("db", "EXTRA") + "\n" + count).said == [str(left)]


class Always(random.Random):
    """Luck that spares everything, or nothing."""

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def random(self) -> float:
        return self.chance


UNSYNCED = "os.mkdir('f'); write('a', b'1'); sync_folder('.'); write('a', b'2', sync=None); os.rename('a', 'f/a')"


@pytest.mark.parametrize(("chance", "left"), [(0.0, {"f/a": b"2"}), (0.9, {"a": b"1"})])
def test_with_luck_a_kernel_has_written_what_nobody_asked_for(
    chance: float, left: dict[str, bytes], disk: Disk
) -> None:
    disk.run(HELPERS + UNSYNCED)
    disk.cut(Always(chance))
    assert disk.files() == left
