"""Writes one object: in one request when it fits into one part, else in parts that go side by side."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from shared.errors import Unavailable
from shared.killpoints import kill_point
from shared.storage.port import StoredObject
from shared.storage.s3.requests import Part, SignedRequests

PART_BYTES = 5 * 1024 * 1024
"""The least that S3 takes for a part that is not the last."""

PARTS_UNDER_WAY = 2
"""Beside the part that is being filled: a writer holds three parts at most, 15 MiB."""

log = structlog.get_logger()


class S3Writer:
    """See the module; the hash is that of the bytes as they came in."""

    def __init__(self, requests: SignedRequests, *, name: str, key: str) -> None:
        self._requests = requests
        self._name = name
        self._key = key
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._part = bytearray()
        self._upload: _Upload | None = None

    def write(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._size_bytes += len(chunk)
        left = memoryview(chunk)
        while left:
            if len(self._part) == PART_BYTES:
                self._send_part()
            taken = left[: PART_BYTES - len(self._part)]
            self._part += taken
            left = left[len(taken) :]

    def finish(self) -> StoredObject:
        kill_point("objects.written")
        version = self._finish()
        kill_point("objects.durable")
        return StoredObject(key=self._key, version=version, size_bytes=self._size_bytes, sha256=self._hash.hexdigest())

    def discard(self) -> None:
        """Throw away the parts of an object that was not finished; nothing to do for any other."""
        if self._upload is not None:
            self._upload.discard()

    def _send_part(self) -> None:
        if self._upload is None:
            self._upload = _Upload(self._requests, self._name)
        self._upload.send(self._part)
        self._part = bytearray()

    def _finish(self) -> str:
        if self._upload is None:
            return self._requests.put(self._name, self._part, self._hash.digest())
        self._send_part()
        return self._upload.complete()


class _Upload:
    """An upload in parts."""

    def __init__(self, requests: SignedRequests, name: str) -> None:
        self._requests = requests
        self._name = name
        self._upload_id = requests.begin(name)
        self._threads = ThreadPoolExecutor(PARTS_UNDER_WAY, thread_name_prefix="parts")
        self._parts: list[Future[Part]] = []
        self._complete = False

    def send(self, body: bytearray) -> None:
        """Send the next part; waits while too many are under way. Raises what befell an earlier one."""
        if len(self._parts) >= PARTS_UNDER_WAY:
            self._parts[-PARTS_UNDER_WAY].result()
        number = len(self._parts) + 1
        self._parts.append(self._threads.submit(self._requests.put_part, self._name, self._upload_id, number, body))

    def complete(self) -> str:
        """Make an object of all parts; its version."""
        parts = [part.result() for part in self._parts]
        kill_point("objects.parts_stored")
        version = self._requests.complete(self._name, self._upload_id, parts)
        self._complete = True
        return version

    def discard(self) -> None:
        """End the threads and, unless complete, take the parts away; where that fails, a sweep does it later."""
        self._threads.shutdown(cancel_futures=True)
        if self._complete:
            return
        try:
            self._requests.abort(self._name, self._upload_id)
        except Unavailable as error:
            log.warning("object.parts_left", object_name=self._name, code=error.code)
