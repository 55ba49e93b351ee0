"""The least that could take an upload: `python -m bench.floor PORT OBJECTS_URL DATABASE_URL`.

A bare Starlette application on the same web server, with the same streaming parse, hash and object store, two rows and
one commit; no session, no rules, no receipt, nobody told.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import uuid
from typing import Any

import psycopg
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from services.submission.upload.multipart import MultipartFile
from shared.storage.file_store import FileStore
from shared.storage.port import ObjectStore, ObjectWriter, StoredObject
from shared.storage.s3_store import S3Store
from shared.web.server import server_of

BUFFER_BYTES = 512 * 1024
STATEMENTS = ("INSERT INTO upload VALUES (?, ?, ?, ?)", "INSERT INTO message VALUES (?, ?, ?)")


class Rows:
    """Two rows in one commit, on a connection of each thread, by the driver alone."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._of_thread = threading.local()
        mark = "?" if self._is_embedded else "%s"
        self._statements = [statement.replace("?", mark) for statement in STATEMENTS]
        connection = self._connect()
        connection.execute("CREATE TABLE upload (key TEXT PRIMARY KEY, version TEXT, sha256 TEXT, size BIGINT)")
        connection.execute("CREATE TABLE message (id TEXT PRIMARY KEY, key TEXT, value TEXT)")
        connection.commit()
        connection.close()

    def add(self, stored: StoredObject) -> None:
        """Record the object, and a message that tells of it."""
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = self._connect()
        connection = self._of_thread.connection
        upload = (stored.key, stored.version, stored.sha256, stored.size_bytes)
        message = (str(uuid.uuid4()), stored.key, repr(stored))
        for statement, row in zip(self._statements, (upload, message), strict=True):
            connection.execute(statement, row)
        connection.commit()

    @property
    def _is_embedded(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _connect(self) -> Any:  # noqa: ANN401 - either driver's
        if not self._is_embedded:
            return psycopg.connect(self._url.set(drivername="postgresql").render_as_string(hide_password=False))
        connection = sqlite3.connect(self._url.database or "", timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection


def application(objects: ObjectStore, rows: Rows) -> Starlette:
    """Takes forms at `/`."""

    def finish(writer: ObjectWriter, pending: list[bytes]) -> None:
        _flush(writer, pending)
        rows.add(writer.finish())

    async def take(request: Request) -> PlainTextResponse:
        pending: list[bytes] = []
        parser = MultipartFile(request.headers["content-type"], on_name=_ignore, on_bytes=pending.append)
        with objects.writer(str(uuid.uuid4())) as writer:
            async for chunk in request.stream():
                parser.feed(chunk)
                if sum(map(len, pending)) >= BUFFER_BYTES:
                    await run_in_threadpool(_flush, writer, pending)
            parser.close()
            await run_in_threadpool(finish, writer, pending)
        return PlainTextResponse("stored", status_code=201)

    return Starlette(routes=[Route("/", take, methods=["POST"])])


def _flush(writer: ObjectWriter, pending: list[bytes]) -> None:
    writer.write(b"".join(pending))
    pending.clear()


def _ignore(_name: str) -> None:
    """A file's name is of no use here."""


def main() -> None:
    """Serve until the process is ended."""
    port, objects_url, database_url = sys.argv[1:]
    store: type[S3Store | FileStore] = S3Store if objects_url.startswith("s3:") else FileStore
    app = application(store.from_url(objects_url), Rows(database_url))
    server_of(app, host="127.0.0.1", port=int(port)).run()


if __name__ == "__main__":
    main()
