"""Uploads that wait for the store are in nobody else's way, however many they are."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from services.submission.resumable import reception
from shared.storage.port import ObjectStore, ObjectWriter
from tests.support.uploading import FILM, VIC, House, Uploader, embedded_house, form_of, text_of

PIECE_BYTES = 1000
CROWD, SETTLED_SECONDS = 60, 2
"""More than the threads that answer everybody, which are forty."""


class Held:
    """A store that begins an object only when it is let go."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.let_go = threading.Event()
        self.waiting = threading.Semaphore(0)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def writer(self, key: str) -> AbstractContextManager[ObjectWriter]:
        self.waiting.release()
        self.let_go.wait(60)
        return self.store.writer(key)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with embedded_house(tmp_path, quota_uploads=CROWD) as house:
        yield house


def test_others_are_answered_while_a_crowd_waits_for_the_store(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    uma, content = house.student(), text_of(2 * PIECE_BYTES)
    monkeypatch.setattr(reception, "PIECE_BYTES", PIECE_BYTES)
    checking = house.system.submission.uploads.checking
    held = Held(checking.staging)
    monkeypatch.setattr(checking, "staging", held)
    paths = [uma.begin(len(content)) for _ in range(CROWD)]
    with ThreadPoolExecutor(CROWD) as crowd:
        sent = [crowd.submit(sends, uma, path, content) for path in paths]
        while held.waiting.acquire(timeout=SETTLED_SECONDS):
            """Until no more of them come as far as that."""
        accepted = hand_in(house.student(VIC), text_of(100))
        assert not any(each.done() for each in sent)
        held.let_go.set()
        assert [each.result(60) for each in sent] == [204] * CROWD
    assert accepted == 201


def hand_in(student: Uploader, content: bytes) -> int:
    body, said = form_of("film.txt", content)
    path, key = f"/api/v1/assignments/{FILM}/submissions", str(uuid.uuid4())
    answer = student.send("POST", path, content=body, idempotency_key=key, **said)
    return answer.status_code


def sends(student: Uploader, path: str, content: bytes) -> int:
    return student.patch(path, content, 0).status_code
