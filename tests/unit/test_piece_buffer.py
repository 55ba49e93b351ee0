"""What of an upload is in hand: given back as it came, and hardly in memory."""

from __future__ import annotations

import errno
import tracemalloc
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest

from services.submission.resumable.piece_buffer import PieceBuffer
from shared.errors import StorageFull

PIECE = 5 * 1024 * 1024
CHUNK = bytes(range(256)) * 256


def filled(size_bytes: int) -> PieceBuffer:
    buffer = PieceBuffer()
    while len(buffer) < size_bytes:
        buffer.add(memoryview(CHUNK)[: size_bytes - len(buffer)])
    return buffer


@pytest.mark.parametrize("size_bytes", [0, 1, 256 * 1024, 256 * 1024 + 1, PIECE])
def test_what_is_in_hand_can_be_read_more_than_once(size_bytes: int) -> None:
    buffer = filled(size_bytes)
    whole = (CHUNK * (1 + size_bytes // len(CHUNK)))[:size_bytes]
    assert (len(buffer), b"".join(buffer.slices()), b"".join(buffer.slices())) == (size_bytes, whole, whole)
    buffer.clear()
    assert (len(buffer), b"".join(buffer.slices())) == (0, b"")


def test_many_slow_uploads_hold_little_memory() -> None:
    tracemalloc.start()
    buffers = [filled(PIECE) for _ in range(20)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for buffer in buffers:
        buffer.clear()
    assert peak < 2 * PIECE


def test_no_room_for_what_is_in_hand_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    buffer = PieceBuffer()
    monkeypatch.setattr(SpooledTemporaryFile, "write", full)
    with pytest.raises(StorageFull):
        buffer.add(memoryview(CHUNK))
    buffer.clear()
