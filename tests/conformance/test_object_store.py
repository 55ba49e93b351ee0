"""What every object store promises; a new adapter inherits the suite and gives its own fixture."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import subprocess
import sys
import time
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from shared.errors import Rejected, StorageFull, Unavailable
from shared.storage.file_store import FileStore
from shared.storage.port import ObjectMissing, ObjectRetained, ObjectStore, StoredObject, checked_key

KEY = "K827-26J-TMA01/5f0c/essay"


def stored(store: ObjectStore, key: str, *chunks: bytes) -> StoredObject:
    with store.writer(key) as writer:
        for chunk in chunks:
            writer.write(chunk)
        return writer.finish()


def content(store: ObjectStore, of: StoredObject) -> bytes:
    return b"".join(store.read(of.key, of.version))


class ObjectStoreConformance(ABC):
    """The suite."""

    store: ObjectStore
    memory_bytes: ClassVar = 3 * 1024 * 1024
    """What a writer and a reader may take together, whatever the size."""

    @abstractmethod
    def reopened(self) -> ObjectStore:
        """Another store over the same place, as after a restart."""

    def test_what_was_written_is_read_back_after_a_restart(self) -> None:
        written = stored(self.store, KEY, b"first ", b"second")
        assert content(self.reopened(), written) == b"first second"

    def test_size_and_hash_are_those_of_the_bytes(self) -> None:
        written = stored(self.store, KEY, b"first ", b"", b"second")
        assert (written.key, written.size_bytes) == (KEY, 12)
        assert written.sha256 == hashlib.sha256(b"first second").hexdigest()

    def test_an_empty_object_is_an_object(self) -> None:
        written = stored(self.store, KEY)
        assert content(self.store, written) == b""
        assert written.sha256 == hashlib.sha256(b"").hexdigest()

    def test_writing_a_key_again_makes_another_version_and_keeps_the_first(self) -> None:
        first, second = stored(self.store, KEY, b"draft"), stored(self.store, KEY, b"final")
        assert first.version != second.version
        assert content(self.store, first) == b"draft"
        assert content(self.store, second) == b"final"

    def test_a_writer_left_without_finish_leaves_nothing(self) -> None:
        with self.store.writer(KEY) as writer:
            writer.write(b"half of it")
        assert list(self.store.walk()) == []

    def test_a_failure_while_writing_leaves_nothing_and_comes_out_as_it_is(self) -> None:
        with pytest.raises(TypeError):
            stored(self.store, KEY, b"half of it", None)  # type: ignore[arg-type]
        assert list(self.store.walk()) == []

    def test_nothing_is_seen_before_finish(self) -> None:
        with self.store.writer(KEY) as writer:
            writer.write(b"all of it")
            assert list(self.store.walk()) == []
            writer.finish()
            assert [entry.key for entry in self.store.walk()] == [KEY]

    def test_a_key_may_be_the_beginning_of_another(self) -> None:
        written = [stored(self.store, key, key.encode()) for key in ("a", "a/b", "a/b/c", "a.b", "a-b")]
        assert [content(self.store, one).decode() for one in written] == [one.key for one in written]
        assert {entry.key for entry in self.store.walk()} == {one.key for one in written}

    def test_a_missing_object_is_rejected_at_once_and_is_no_outage(self) -> None:
        written = stored(self.store, KEY, b"x")
        for key, version in ((KEY, "0000"), ("K827/none", written.version)):
            with pytest.raises(ObjectMissing) as raised:
                self.store.read(key, version)
            assert isinstance(raised.value, Rejected)
            assert self.store.stat(key, version) is None

    def test_stat_tells_size_and_age(self) -> None:
        written = stored(self.store, KEY, b"12345")
        entry = self.store.stat(KEY, written.version)
        assert entry is not None
        assert (entry.key, entry.version, entry.size_bytes) == (KEY, written.version, 5)
        assert abs(datetime.now(UTC) - entry.modified_at) < timedelta(minutes=1)

    def test_walk_shows_every_version_once_as_stat_does(self) -> None:
        written = [stored(self.store, f"K827/{number % 7}/w", b"x" * number) for number in range(20)]
        found = {(entry.key, entry.version): entry for entry in self.store.walk()}
        assert found.keys() == {(one.key, one.version) for one in written}
        assert all(self.store.stat(key, version) == entry for (key, version), entry in found.items())

    def test_walk_keeps_to_the_prefix(self) -> None:
        for key in ("K827/1", "K827/2", "K828/1", "K82/K827"):
            stored(self.store, key, b"x")
        assert {entry.key for entry in self.store.walk("K827/")} == {"K827/1", "K827/2"}
        assert {entry.key for entry in self.store.walk("K82")} == {"K827/1", "K827/2", "K828/1", "K82/K827"}

    def test_delete_takes_one_version_and_may_be_repeated(self) -> None:
        first, second = stored(self.store, KEY, b"draft"), stored(self.store, KEY, b"final")
        self.store.delete(KEY, first.version)
        self.store.delete(KEY, first.version)
        assert [entry.version for entry in self.store.walk()] == [second.version]
        assert content(self.store, second) == b"final"

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a b",
            "a\\b",
            "a\0",
            "\xe9",
            "a\n",
            "a@b",
            "a+b",
            "a" * 201,
        ],
    )
    def test_what_is_not_a_key_is_not_written_and_not_read(self, key: str) -> None:
        with pytest.raises(ValueError, match="not a key"):
            self.store.read(key, "0000")
        with pytest.raises(ValueError, match="not a key"):
            stored(self.store, key)

    def test_the_longest_key_is_stored(self) -> None:
        key = f"{'a' * 99}/{'b' * 100}"
        assert len(checked_key(key)) == 200
        assert content(self.store, stored(self.store, key, b"x")) == b"x"

    def test_pieces_are_small_and_memory_is_constant(self) -> None:
        chunk = os.urandom(64 * 1024)
        number = 2 * self.memory_bytes // len(chunk)
        tracemalloc.start()
        try:
            written = stored(self.store, KEY, *([chunk] * number))
            sizes = [len(piece) for piece in self.store.read(KEY, written.version)]
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sum(sizes) == written.size_bytes == number * len(chunk)
        assert max(sizes) <= 256 * 1024
        assert peak_bytes < self.memory_bytes

    def test_many_writers_of_one_key_do_not_disturb_one_another(self) -> None:
        bodies = [f"body {number}".encode() * 1000 for number in range(24)]
        with ThreadPoolExecutor(8) as pool:
            written = list(pool.map(lambda body: stored(self.store, KEY, body), bodies))
        assert [content(self.store, one) for one in written] == bodies

    def test_a_store_in_order_is_ready(self) -> None:
        self.store.ready()

    def test_sweeping_takes_no_finished_object_and_no_young_writer(self) -> None:
        stored(self.store, KEY, b"x")
        with self.store.writer(KEY) as writer:
            writer.write(b"still coming")
            assert self.store.sweep(older_than_seconds=3600) == 0
            writer.finish()
        assert len(list(self.store.walk())) == 2

    def test_a_reader_may_stop_early(self) -> None:
        written = stored(self.store, KEY, b"x" * 1_000_000)
        for _ in range(20):
            pieces = self.store.read(KEY, written.version)
            assert next(pieces)
            pieces.close()  # type: ignore[attr-defined]
        assert len(content(self.store, written)) == 1_000_000


class RetentionConformance(ObjectStoreConformance):
    """What a store with retention promises beyond."""

    def retain(self, one: StoredObject, **period: float) -> None:
        assert self.store.retention is not None
        self.store.retention.retain(one.key, one.version, datetime.now(UTC) + timedelta(**period))

    def test_what_is_retained_is_not_deleted_and_other_versions_are(self) -> None:
        first, second = stored(self.store, KEY, b"draft"), stored(self.store, KEY, b"final")
        self.retain(first, days=1)
        with pytest.raises(ObjectRetained):
            self.store.delete(KEY, first.version)
        self.store.delete(KEY, second.version)
        assert content(self.store, first) == b"draft"
        assert [entry.version for entry in self.store.walk()] == [first.version]

    def test_retention_may_be_repeated_and_ends(self) -> None:
        written = stored(self.store, KEY, b"draft")
        self.retain(written, seconds=1)
        self.retain(written, seconds=2)
        with pytest.raises(ObjectRetained):
            self.store.delete(KEY, written.version)
        time.sleep(2.1)
        self.store.delete(KEY, written.version)
        assert list(self.store.walk()) == []

    def test_a_longer_retention_stays(self) -> None:
        written = stored(self.store, KEY, b"draft")
        self.retain(written, days=2)
        self.retain(written, seconds=1)
        time.sleep(1.1)
        with pytest.raises(ObjectRetained):
            self.store.delete(KEY, written.version)

    def test_what_is_not_there_cannot_be_retained(self) -> None:
        written = stored(self.store, KEY, b"draft")
        self.store.delete(KEY, written.version)
        with pytest.raises(ObjectMissing):
            self.retain(written, days=1)


class TestFileStore(ObjectStoreConformance):
    """The embedded adapter: the suite, and what only files can show."""

    root: Path

    @pytest.fixture(autouse=True)
    def _root(self, tmp_path: Path) -> None:
        self.root = tmp_path / "objects"
        self.store = FileStore(self.root)

    def reopened(self) -> ObjectStore:
        return FileStore(self.root)

    def test_a_folder_keeps_nobody_from_deleting(self) -> None:
        assert self.store.retention is None

    def files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]

    def test_a_killed_writer_leaves_a_partial_file_that_is_swept(self) -> None:
        assert died_at("objects.synced", self.root)
        assert len(self.files()) == 1
        assert list(self.store.walk()) == []
        os.utime(self.files()[0], (0, 0))
        assert self.store.sweep(older_than_seconds=3600) == 1
        assert self.files() == []

    @pytest.mark.parametrize("point", ["objects.renamed", "objects.durable"])
    def test_a_process_killed_after_the_rename_leaves_a_whole_object(self, point: str) -> None:
        assert died_at(point, self.root)
        (entry,) = self.store.walk()
        assert b"".join(self.store.read(entry.key, entry.version)) == b"the whole work"

    def test_a_failed_writer_leaves_no_file(self) -> None:
        with self.store.writer(KEY) as writer:
            writer.write(b"half of it")
        assert self.files() == []

    def test_a_full_disk_is_told_as_such_and_leaves_nothing(self) -> None:
        with files_limited_to(6000), pytest.raises(StorageFull):
            stored(self.store, KEY, b"x" * 4096, b"x" * 4096)
        assert self.files() == []

    def test_a_full_disk_is_not_ready_and_the_question_leaves_nothing(self) -> None:
        with files_limited_to(0), pytest.raises(StorageFull):
            self.store.ready()
        assert self.files() == []

    def test_a_store_whose_folder_is_gone_is_unavailable(self) -> None:
        for folder in sorted(self.root.rglob("*"), reverse=True):
            folder.rmdir()
        self.root.rmdir()
        with pytest.raises(Unavailable):
            self.store.ready()
        with pytest.raises(Unavailable):
            stored(self.store, KEY, b"x")

    def test_a_root_that_is_a_file_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(Unavailable) as raised:
            FileStore(tmp_path / "file")
        assert isinstance(raised.value.__cause__, OSError)
        assert raised.value.__cause__.errno in (errno.ENOTDIR, errno.EEXIST)


WRITE_ONE = """
import sys
from pathlib import Path
from shared.storage.file_store import FileStore
with FileStore(Path(sys.argv[1])).writer("a/b") as writer:
    writer.write(b"the whole work")
    writer.finish()
"""


def died_at(point: str, root: Path) -> bool:
    """Store one object in a process that dies at that point; whether it did."""
    environment = os.environ | {"ETMA_KILL_POINT": point}
    done = subprocess.run([sys.executable, "-c", WRITE_ONE, str(root)], env=environment, check=False)
    return done.returncode == -9


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond this size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
