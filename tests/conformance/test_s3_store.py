"""The suite of all object stores on S3 servers, and what only these can show; the servers are two different ones."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ClassVar

import pytest
from minio.versioningconfig import SUSPENDED, VersioningConfig

from shared.errors import StorageFull, Unavailable
from shared.settings import BadSettings
from shared.storage.port import ObjectMissing, ObjectStore
from shared.storage.s3.address import S3Address
from shared.storage.s3.names import PROBE
from shared.storage.s3.writer import PART_BYTES
from shared.storage.s3_store import READY_SECONDS, S3Store
from tests.conformance.test_object_store import KEY, RetentionConformance, content, stored
from tests.support.buckets import own_bucket, sdk_of
from tests.support.proxy import Answer, Cut, Proxy, Rule, once, proxy_before
from tests.support.servers import address

PIECE = os.urandom(512 * 1024)
PIECES_OF_A_PART = PART_BYTES // len(PIECE)
SECONDS = 10
MARKED = b"the answer is forty-two"


class S3Conformance(RetentionConformance):
    server: ClassVar[str]
    memory_bytes = 4 * PART_BYTES
    url: str
    store: S3Store

    @pytest.fixture(autouse=True)
    def _bucket(self) -> Iterator[None]:
        with own_bucket(address(self.server), "worm=required") as self.url:
            self.store = S3Store.from_url(self.url)
            yield

    def reopened(self) -> ObjectStore:
        return S3Store.from_url(self.url)

    def uploads_begun(self) -> int:
        return len(list(self.store._requests.begun()))

    @contextmanager
    def through_proxy(self) -> Iterator[tuple[S3Store, Proxy]]:
        """The same bucket behind a proxy that spoils nothing yet."""
        host = S3Address.from_url(self.url).host
        with proxy_before(host) as proxy:
            yield S3Store.from_url(self.url.replace(host, proxy.address).replace("worm=required", "worm=off")), proxy

    @pytest.mark.parametrize("pieces", [PIECES_OF_A_PART, PIECES_OF_A_PART + 1, 3 * PIECES_OF_A_PART])
    def test_large_objects_come_back_as_they_went(self, pieces: int) -> None:
        written = stored(self.store, KEY, *([PIECE] * pieces))
        assert written.size_bytes == pieces * len(PIECE)
        assert content(self.store, written) == PIECE * pieces
        assert self.uploads_begun() == 0

    def test_one_piece_may_be_larger_than_a_part(self) -> None:
        body = os.urandom(2 * PART_BYTES + 1)
        assert content(self.store, stored(self.store, KEY, body)) == body

    def test_a_slow_server_holds_the_writer_up(self) -> None:
        """Memory is bounded by the parts that are under way, not by how quickly bytes come in."""
        with self.through_proxy() as (store, proxy), store.writer(KEY) as writer:
            gate = threading.Event()
            proxy.on_request = lambda data: data if b"partNumber" not in data or gate.wait(SECONDS) else b""
            filling = threading.Thread(target=writer.write, args=(bytes(4 * PART_BYTES),))
            filling.start()
            filling.join(0.5)
            assert filling.is_alive()
            gate.set()
            filling.join(SECONDS)
            assert writer.finish().size_bytes == 4 * PART_BYTES

    def test_a_large_writer_left_without_finish_leaves_no_part(self) -> None:
        with self.store.writer(KEY) as writer:
            writer.write(PIECE * 2 * PIECES_OF_A_PART)
            assert self.uploads_begun() == 1
        assert self.uploads_begun() == 0
        assert list(self.store.walk()) == []

    def test_a_killed_writer_leaves_parts_that_are_swept(self) -> None:
        assert died_with_parts(self.url)
        assert list(self.store.walk()) == []
        assert self.store.sweep(older_than_seconds=3600) == 0
        assert self.store.sweep(older_than_seconds=-1) == 1
        assert self.uploads_begun() == 0

    def test_a_slow_writer_is_not_swept_as_long_as_parts_come_in(self) -> None:
        with self.store.writer(KEY) as writer:
            writer.write(bytes(PART_BYTES + 1))
            time.sleep(2.5)
            writer.write(bytes(PART_BYTES))
            time.sleep(0.5)
            assert self.store.sweep(older_than_seconds=2) == 0
            assert writer.finish().size_bytes == 2 * PART_BYTES + 1

    def test_a_small_object_is_one_request(self) -> None:
        with self.through_proxy() as (store, proxy):
            requests: list[bytes] = []
            proxy.on_request = lambda data: requests.append(data) or data  # type: ignore[func-returns-value]
            stored(store, KEY, PIECE[:1000])
            assert [data.split(b" ")[0] for data in requests if b" HTTP/1.1\r\n" in data] == [b"PUT"]

    @pytest.mark.parametrize("seen", [False, True])
    def test_an_idle_connection_closed_by_the_server_costs_a_new_one(self, *, seen: bool) -> None:
        """Closed before the request, which can be seen, or in the same moment, which costs the request."""
        with self.through_proxy() as (store, proxy):
            stored(store, "warm", b"x")
            if seen:
                proxy.close_all()
            else:
                proxy.on_request = once(cut)
            written = stored(store, KEY, b"the work")
            assert content(store, written) == b"the work"
            assert [entry.key for entry in store.walk("K")] == [KEY]

    @pytest.mark.parametrize("request_line", [b"?uploads=", b"partNumber=2", b"POST /%s"])
    def test_a_large_upload_survives_a_connection_closed_under_any_request(self, request_line: bytes) -> None:
        with self.through_proxy() as (store, proxy):
            proxy.on_request = once(lambda data: cut(data) if request_line in data else data)
            written = stored(store, KEY, *([PIECE] * (2 * PIECES_OF_A_PART)))
            assert content(store, written) == PIECE * (2 * PIECES_OF_A_PART)

    def test_a_lost_answer_makes_a_second_version_and_tells_the_one_that_is_there(self) -> None:
        with self.through_proxy() as (store, proxy):
            proxy.on_answer = once(cut)
            written = stored(store, KEY, b"the work")
            assert content(store, written) == b"the work"
            assert {entry.key for entry in store.walk()} == {KEY}
            assert written.version in {entry.version for entry in store.walk()}

    def test_a_server_that_never_answers_the_writing_is_an_outage(self) -> None:
        with self.through_proxy() as (store, proxy):
            proxy.on_answer = cut
            with pytest.raises(Unavailable, match="cannot be reached"):
                stored(store, KEY, b"the work")

    def test_a_server_that_asks_to_slow_down_is_asked_again(self) -> None:
        with self.through_proxy() as (store, proxy):
            proxy.on_request = once(answering(503, "SlowDown"))
            assert content(store, stored(store, KEY, b"the work")) == b"the work"

    @pytest.mark.parametrize(
        ("status", "code", "failure"),
        [
            (503, "SlowDown", Unavailable),
            (500, "InternalError", Unavailable),
            (403, "AccessDenied", Unavailable),
            (507, "XMinioStorageFull", StorageFull),
            (502, "", Unavailable),
        ],
    )
    def test_answers_of_a_server_in_trouble_are_outages(self, status: int, code: str, failure: type[Exception]) -> None:
        with self.through_proxy() as (store, proxy):
            written = stored(store, KEY, b"the work")
            proxy.on_request = answering(status, code)
            for act in (
                lambda: stored(store, KEY, b"more"),
                lambda: store.read(KEY, written.version),
                lambda: list(store.walk()),
                lambda: store.delete(KEY, written.version),
                store.ready,
            ):
                with pytest.raises(failure) as raised:
                    act()
                assert type(raised.value) is not ObjectMissing
        assert content(self.store, written) == b"the work"

    @pytest.mark.parametrize("size", [len(MARKED), PART_BYTES + len(MARKED)])
    def test_bytes_that_change_on_their_way_are_refused_and_not_kept(self, size: int) -> None:
        with self.through_proxy() as (store, proxy):
            proxy.on_request = lambda data: data.replace(MARKED, MARKED[::-1])
            with pytest.raises(Unavailable):
                stored(store, KEY, MARKED, b"x" * (size - len(MARKED)))
        assert list(self.store.walk()) == []
        assert self.uploads_begun() == 0

    @pytest.mark.parametrize("size", [1000, PART_BYTES + 1])
    def test_a_server_that_does_not_say_what_it_has_checked_is_not_believed(self, size: int) -> None:
        with self.through_proxy() as (store, proxy):
            proxy.on_answer = lambda data: re.sub(rb"(?i)amz-checksum-(sha256|crc32)", rb"amz-checked-\1", data)
            with pytest.raises(Unavailable, match="did not confirm the checksum"):
                stored(store, KEY, bytes(size))

    def test_a_bucket_that_stops_keeping_versions_is_an_outage(self) -> None:
        with own_bucket(address(self.server)) as url:
            store = S3Store.from_url(url)
            sdk_of(url).set_bucket_versioning(S3Address.from_url(url).bucket, VersioningConfig(SUSPENDED))
            with pytest.raises(Unavailable, match="keeps no versions"):
                stored(store, KEY, b"the work")

    def test_readiness_is_told_in_time_of_a_server_that_says_nothing(self) -> None:
        with self.through_proxy() as (store, proxy):
            proxy.on_request = lambda _: b""
            began = time.monotonic()
            with pytest.raises(Unavailable):
                store.ready()
            assert time.monotonic() - began < 3 * READY_SECONDS

    def test_a_truncated_answer_is_an_outage_and_no_short_file(self) -> None:
        with self.through_proxy() as (store, proxy):
            written = stored(store, KEY, b"x" * 1_000_000)
            proxy.on_answer = lambda data: data if data.startswith(b"HTTP/1.1") else cut(data)
            with pytest.raises(Unavailable):
                content(store, written)

    def test_a_server_that_is_away_is_an_outage(self) -> None:
        with self.through_proxy() as (store, _):
            written = stored(store, KEY, b"the work")
        for act in (
            store.ready,
            lambda: stored(store, KEY, b"x"),
            lambda: store.read(KEY, written.version),
            lambda: store.stat(KEY, written.version),
            lambda: store.delete(KEY, written.version),
            lambda: list(store.walk()),
            lambda: store.sweep(older_than_seconds=0),
        ):
            with pytest.raises(Unavailable, match="cannot be reached"):
                act()
        with pytest.raises(Unavailable, match="cannot be reached"):
            S3Store(store._requests.address)

    def test_a_bucket_that_is_gone_is_an_outage_and_no_missing_object(self) -> None:
        with own_bucket(address(self.server)) as url:
            store = S3Store.from_url(url)
            written = stored(store, KEY, b"the work")
        for act in (
            store.ready,
            lambda: stored(store, KEY, b"x"),
            lambda: store.read(KEY, written.version),
            lambda: store.stat(KEY, written.version),
        ):
            with pytest.raises(Unavailable, match=r"NoSuchBucket|no bucket"):
                act()

    def test_a_wrong_secret_is_an_outage_in_which_no_secret_is_shown(self) -> None:
        url = self.url.replace("worm=required", "worm=off").replace(":etma-secret@", ":wrong-secret@")
        with pytest.raises(Unavailable) as raised:
            S3Store.from_url(url)
        assert "wrong-secret" not in repr(raised.value) + str(raised.value.__cause__)

    def test_versions_are_kept_in_a_bucket_that_kept_none_before(self) -> None:
        with own_bucket(address(self.server)) as url:
            sdk_of(url).make_bucket(S3Address.from_url(url).bucket)
            store = S3Store.from_url(url)
            first = stored(store, KEY, b"draft")
            stored(store, KEY, b"final")
            assert content(store, first) == b"draft"

    def test_a_bucket_without_locks_is_refused_where_they_are_required(self) -> None:
        with own_bucket(address(self.server), "worm=required") as url:
            sdk_of(url).make_bucket(S3Address.from_url(url).bucket)
            with pytest.raises(BadSettings, match=r"worm=required, but bucket etma-test-\w+ does not protect"):
                S3Store.from_url(url)
            assert S3Store.from_url(url.replace("required", "preferred")).retention is None
            assert S3Store.from_url(url.replace("required", "off")).retention is None

    def test_locks_that_are_not_kept_are_found_out(self) -> None:
        host = S3Address.from_url(self.url).host
        with proxy_before(host) as proxy:
            proxy.on_request = lambda data: answering(204)(data) if data.startswith(b"DELETE") else data
            with pytest.raises(BadSettings, match="A locked version could be deleted"):
                S3Store.from_url(self.url.replace(host, proxy.address))

    def test_probes_of_the_lock_are_no_objects_and_are_cleared_away_by_the_next_start(self) -> None:
        unlocked = self.store._requests.put(PROBE, b"", hashlib.sha256(b"").digest())
        self.reopened()
        probes = {found.version for found in self.store._requests.versions("")}
        assert len(probes) == 2
        assert unlocked not in probes
        assert list(self.store.walk()) == []

    def test_what_others_put_there_or_hide_there_is_no_object(self) -> None:
        bucket, sdk = S3Address.from_url(self.url).bucket, sdk_of(self.url)
        sdk.put_object(bucket, "notes.txt", io.BytesIO(b"x"), 1)
        sdk.remove_object(bucket, "notes.txt")
        assert list(self.store.walk()) == []

    def test_walking_goes_on_after_the_first_page(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: stored(self.store, f"w/{number % 40}", b"x"), range(1040)))
        found = [(entry.key, entry.version) for entry in self.store.walk()]
        assert len(found) == len(set(found)) == 1040


@pytest.mark.cluster
class TestMinio(S3Conformance):
    server = "s3"


@pytest.mark.cluster
class TestSecondS3(S3Conformance):
    """A server whose makers are not those of the SDK."""

    server = "second_s3"


def cut(_data: bytes) -> bytes:
    raise Cut


def answering(status: int, code: str = "") -> Rule:
    """The server says this to everything; without a code it is no S3 that speaks."""
    body = f"<Error><Code>{code}</Code><Message>none</Message></Error>" if code else ""
    head = f"HTTP/1.1 {status} x\r\ncontent-type: application/xml\r\ncontent-length: {len(body)}\r\n"

    def answer(_data: bytes) -> bytes:
        raise Answer(f"{head}connection: close\r\n\r\n{body}".encode())

    return answer


WRITE_LARGE = """
import sys
from shared.storage.s3_store import S3Store
with S3Store.from_url(sys.argv[1]).writer("a/b") as writer:
    writer.write(bytes(20_000_000))
    writer.finish()
"""


def died_with_parts(url: str) -> bool:
    """Store a large object in a process that dies before it is complete; whether it did."""
    environment = os.environ | {"ETMA_KILL_POINT": "objects.parts_stored"}
    done = subprocess.run([sys.executable, "-c", WRITE_LARGE, url], env=environment, check=False)
    return done.returncode == -9
