"""What differs between one database server and another, as a port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from shared.clock import Clock
from shared.errors import EtmaError, Rejected, Unavailable

LOCKS_ONLY = "locks_only"
"""Marks a statement, as an execution option, that writes rows only to lock them: nobody has to hear of it."""

Row = Mapping[str, object]
"""Values by the names of their columns."""


class BrokenReferences(EtmaError):
    """A change of tables would leave rows that refer to nothing; it was taken back."""

    code = "broken_references"


class NotText(Rejected):
    """Text with a NUL character, which PostgreSQL does not keep, or with half of a surrogate pair."""

    code = "not_text"
    title = "The text holds a character that cannot be kept"


class Dialect(Protocol):
    """One server's ways. `failure_of` gives the class of a vendor's error, None for one that is a bug of ours."""

    engine: sa.Engine
    locks_rows: bool
    """Whether writers lock rows; where one writes at a time there is nothing to lock."""

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A connection that begins a read-write transaction; whoever must wait for others to write waits in it."""
        ...

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection on a read-only snapshot."""
        ...

    def write(self, connection: sa.Connection, statement: sa.Insert, rows: Sequence[Row]) -> sa.CursorResult[Any]:
        """Insert the rows, of the same columns each; see `Transaction.write`."""
        ...

    def changing_tables(self) -> AbstractContextManager[sa.Connection]:
        """A transaction on tables that a second process waits for; raises `BrokenReferences` at its end."""
        ...

    def holding(self, what: str, numbers: Sequence[int], at_most: int | None) -> AbstractContextManager[Sequence[int]]:
        """The first of the numbers that no other process holds, held until the end of the block."""
        ...

    def changes(self, connection: sa.Connection) -> int:
        """Grows when the connection changes a row."""
        ...

    def failure_of(self, error: sa.exc.DBAPIError) -> EtmaError | None: ...

    def clock_drift(self, connection: sa.Connection, clock: Clock) -> timedelta:
        """How far this machine's clock is ahead of the server's."""
        ...

    def clear_deleted(self) -> None:
        """See `Database.clear_deleted`."""
        ...

    def tell(self) -> None:
        """Tell the processes that share this database of a commit; may be late, or not come at all."""
        ...

    def listen(self, call: Callable[[], None]) -> None:
        """Call `call` when another process told of a commit."""
        ...

    def close(self) -> None: ...


@contextmanager
def vendor_errors(failure_of: Callable[[sa.exc.DBAPIError], EtmaError | None]) -> Iterator[None]:
    """Turns what a server or its driver raises into our classes of failures."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error
    except UnicodeEncodeError as error:
        raise NotText from error
    except sa.exc.TimeoutError as error:
        raise Unavailable("all connections to the database are taken") from error
