"""The failures of the whole system, told apart by class, because the class decides what happens next.

A `Rejected` will never work, however often it is tried: a caller gets its words, a consumer buries the message at once.
An `Unavailable` is infrastructure that is away: a caller may try again, a consumer waits for ever.
Anything else is a bug: bounded attempts, then a dead letter.
"""

from __future__ import annotations

from typing import ClassVar


class EtmaError(Exception):
    """A failure with a stable `code` and words that say what to do; `status` is its HTTP status."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra


class Rejected(EtmaError):
    """The request or the message itself is wrong and will never work."""

    code = "rejected"
    status = 422
    title = "This cannot be accepted"


class NotFound(Rejected):
    """There is no such thing, or it is not the caller's to know about."""

    code = "not_found"
    status = 404
    title = "Not found"


class Forbidden(Rejected):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403
    title = "You may not do this"


class Unauthenticated(Rejected):
    """Nobody is signed in, or the token is not valid any more."""

    code = "unauthenticated"
    status = 401
    title = "Please sign in"


class Conflict(Rejected):
    """The thing is in a state in which this is not possible."""

    code = "conflict"
    status = 409
    title = "This is not possible now"


class Unavailable(EtmaError):
    """Infrastructure is away: a database, the bus, the object store, the mail server. Trying again later is right."""

    code = "unavailable"
    status = 503
    title = "The service is not available at the moment"


class StorageFull(Unavailable):
    """There is no room left; nothing was half-done."""

    code = "storage_full"
    status = 507
    title = "There is no room left to store this"


def public_name(error: Exception) -> str:
    """What everybody may see of a failure: the code of one of ours, the class of any other, never its words."""
    return error.code if isinstance(error, EtmaError) else type(error).__name__
