"""Counts failures in a row, over all partitions of a consumer: a worker handles several of them at once."""

from __future__ import annotations

import threading


class Streak:
    """Failures since the last success, up to a limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._length = 0
        self._lock = threading.Lock()

    def grow(self) -> bool:
        """Count one more; False, and nothing is counted, when there are as many as there may be."""
        with self._lock:
            if self._length >= self.limit:
                return False
            self._length += 1
            return True

    def end(self) -> None:
        """Something succeeded."""
        with self._lock:
            self._length = 0
