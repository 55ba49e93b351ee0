"""A disk that loses its power: what was synced stays, all else is gone.

`power.c` beside this file says what is seen and what is not. The model is strict: a file that was synced is absent
when its folder was not synced after it got its name there; a name whose file was never synced is an empty file.
"""

from __future__ import annotations

import itertools
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("power.c")
COMPILERS = ("cc", "gcc", "clang")
SECONDS = 60
EVEN = 0.5
_MARK = "user.power.mark"
_MARK_BYTES = 8
_THE_END = "the end"


def build_library(folder: Path) -> Path:
    """The library, made with the compiler that CC names, else with one of this machine; fails without one."""
    if not sys.platform.startswith("linux"):
        pytest.skip("not run here: a power cut is made with LD_PRELOAD and extended attributes, so on Linux only")
    compiler = os.environ.get("CC") or next(filter(shutil.which, COMPILERS), None)
    assert compiler, "there is no C compiler: run the tests by `make test`, which finds or installs one"
    library = folder / "power.so"
    flags = ["-std=c11", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run([*shlex.split(compiler), *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


class Disk:
    """`root` is what programs see; it is empty and durable when the disk is made."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.root = folder.resolve() / "root"
        self._shadow = folder.resolve() / "shadow"
        self._library = library
        self.root.mkdir(parents=True)
        self._shadow.mkdir()
        _mark_of(self.root)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program run on this disk."""
        return {
            "LD_PRELOAD": str(self._library),
            "POWER_ROOT": str(self.root),
            "POWER_SHADOW": str(self._shadow),
        }

    def cut(self, luck: random.Random | None = None) -> None:
        """Take the power away; `root` is then the tree that comes up again, and all of it is durable.

        With `luck`, each file and each folder may have been written by the kernel on its own, unasked: by chance it
        is as it stood, and else as it was synced.
        """
        spared = {} if luck is None else {mark: path for mark, path in _live(self.root) if luck.random() < EVEN}
        rebuilt = _Rebuilt(self._shadow, spared, self._shadow.with_name("shadow.new"))
        fresh = self.root.with_name("root.new")
        rebuilt.folder(_mark_of(self.root), fresh)
        for path, new in ((self.root, fresh), (self._shadow, rebuilt.shadow)):
            shutil.rmtree(path)
            new.rename(path)

    def files(self) -> dict[str, bytes]:
        """All files under `root`, with their content."""
        paths = sorted(path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    def run(self, program: str, *, cut_after: int = 0) -> Run:
        """Run Python code in `root` until its end or its `cut_after`th sync; killed there, so that nothing closes."""
        end = f"\nimport os\nprint({_THE_END!r}, flush=True)\nos.kill(os.getpid(), {signal.SIGKILL.value})\n"
        cutting = {"POWER_CUT_AFTER": str(cut_after)} if cut_after else {}
        done = subprocess.run(
            [sys.executable, "-c", program + end],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(Path.cwd()), **self.environment, **cutting},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        printed = done.stdout.splitlines()
        return Run(said=[line for line in printed if line != _THE_END], ended=_THE_END in printed)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a program printed before the power was cut, and whether it came to its end."""

    said: Sequence[str]
    ended: bool


class _Rebuilt:
    """Writes a tree as it comes up after the cut, and the shadow of that tree, in which all is synced."""

    def __init__(self, kept: Path, spared: dict[str, Path], shadow: Path) -> None:
        self.shadow = shadow
        self._kept = kept
        self._spared = spared
        self._made: dict[str, Path] = {}
        shadow.mkdir()

    def folder(self, mark: str, path: Path) -> None:
        path.mkdir()
        os.setxattr(path, _MARK, mark.encode("ascii"))
        entries = list(self._entries(mark))
        (self.shadow / mark).write_bytes(b"".join(map(_encoded, entries)))
        for entry in entries:
            make = self.folder if entry.is_folder else self._file
            make(entry.mark, path / entry.name)

    def _file(self, mark: str, path: Path) -> None:
        if mark in self._made:  # moved, with only one of the two folders as it stood
            path.hardlink_to(self._made[mark])
            return
        source = self._spared.get(mark, self._kept / mark)
        if source.exists():
            shutil.copy2(source, path)
        else:
            path.touch(0o600)
        os.setxattr(path, _MARK, mark.encode("ascii"))
        shutil.copy2(path, self.shadow / mark)
        self._made[mark] = path

    def _entries(self, mark: str) -> Iterator[_Entry]:
        if mark in self._spared:
            for path in sorted(self._spared[mark].iterdir()):
                yield _Entry(is_folder=path.is_dir(), mark=_mark_of(path), name=path.name)
        elif (self._kept / mark).exists():
            yield from map(_decoded, (self._kept / mark).read_bytes().split(b"\0")[:-1])


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A name in a folder, and the mark of what has it; in the shadow as `power.c` writes it."""

    is_folder: bool
    mark: str
    name: str


def _encoded(entry: _Entry) -> bytes:
    return f"{'d' if entry.is_folder else 'f'}{entry.mark}{entry.name}\0".encode()


def _decoded(line: bytes) -> _Entry:
    text = line.decode()
    end = 1 + 2 * _MARK_BYTES
    return _Entry(is_folder=text[0] == "d", mark=text[1:end], name=text[end:])


def _live(root: Path) -> Iterator[tuple[str, Path]]:
    for path in (root, *sorted(root.rglob("*"))):
        yield _mark_of(path), path


def _mark_of(path: Path) -> str:
    """The mark by which a file is known for its life, given to it now if it has none."""
    if _MARK not in os.listxattr(path):
        os.setxattr(path, _MARK, os.urandom(_MARK_BYTES).hex().encode("ascii"))
    return os.getxattr(path, _MARK).decode("ascii")


def after_each_sync(folder: Path, library: Path, program: str) -> Iterator[tuple[Disk, Sequence[str]]]:
    """Run Python code on a new disk with the power cut after its first sync, its second and so on to its end.

    Each moment comes twice, without luck and with: the disk as it comes up, and what the code had printed.
    """
    for number in itertools.count(1):
        for luck in (None, random.Random(number)):
            disk = Disk(folder / f"{number}-{luck is not None}", library)
            run = disk.run(program, cut_after=number)
            disk.cut(luck)
            yield disk, run.said
        if run.ended:
            return
