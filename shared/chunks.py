"""Many things in portions: a statement, a step, a page takes only so many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """The things in lists of so many, the last one shorter."""
    left = iter(things)
    while chunk := list(islice(left, size)):
        yield chunk
