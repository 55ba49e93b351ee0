"""How keys are written as names of objects: with an `@` at the end, which no key has.

S3 lets `a` and `a/b` stand side by side. Servers that keep objects in folders do not: one refuses the second, another
leaves the first out of its lists. With the `@` no name is a folder of another.
"""

from __future__ import annotations

from shared.storage.port import checked_key

PROBE = "@worm-probe"
READY = "@ready"
"""Names that no key has."""

_END = "@"


def name_of(key: str) -> str:
    """The name of the object of this key; raises `ValueError` for what is not a key."""
    return checked_key(key) + _END


def key_of(name: str) -> str | None:
    """The key of an object of this name; None of an object that has none."""
    key = name.removesuffix(_END)
    return key if key != name and not name.startswith(_END) else None
