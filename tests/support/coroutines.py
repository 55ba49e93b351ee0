"""Coroutines of tests run in a thread of their own: the browser's library keeps an event loop in the tests' thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run it to its end; raises what it raises."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that is a coroutine."""

    @wraps(test)
    def runs() -> None:
        run(test())

    return runs
