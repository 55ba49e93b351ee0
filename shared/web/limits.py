"""How often each route may be asked for, in one table; a route that is not here has no limit.

A limit stands where a request costs much or guesses. It is never where bytes are on their way or a file that is here is
handed in: `PATCH` of an upload and its confirmation have none, so that no limit comes between a student and a cut-off.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol

import structlog
from fastapi import Request

from shared.errors import Rejected, Unavailable
from shared.rate import Rate
from shared.rates import Answer, Rates
from shared.web.envelope import add_headers
from shared.web.rights import PUBLIC, Table
from shared.web.sessions import principal_of

log = structlog.get_logger()


class Limit(StrEnum):
    """What has a limit; the setting that says it is `ETMA_LIMIT_` and the name."""

    SIGN_IN = "sign_in"
    """The ways to the sign-in and back, by address: who is not signed in has no other name."""
    HAND_IN = "hand_in"
    """To hand in a file, or begin to upload one."""
    VERIFY = "verify"
    """To have a receipt checked, which anybody may."""
    PRINT = "print"
    """To have a receipt made into a PDF."""


LIMITS: Final[Mapping[str, Limit]] = {
    "POST /sign-in": Limit.SIGN_IN,
    "GET /sign-in/university": Limit.SIGN_IN,
    "GET /sign-in/return": Limit.SIGN_IN,
    "POST /sign-in/role": Limit.SIGN_IN,
    "POST /assignments/{assignment_id}": Limit.HAND_IN,
    "POST /api/v1/assignments/{assignment_id}/submissions": Limit.HAND_IN,
    "POST /api/v1/uploads": Limit.HAND_IN,
    "POST /verify": Limit.VERIFY,
    "GET /verify/{receipt_id}": Limit.VERIFY,
    "GET /api/v1/submissions/{submission_id}/receipt.pdf": Limit.PRINT,
}
"""By method and address, as the table of rights writes them (`shared/web/rights.py`)."""

NETWORK_BITS: Final = 64
"""Of an IPv6 address, those that name who has it: whoever has one has all that differ in the rest."""


class TooManyRequests(Rejected):
    """Somebody asks too often; what they sent was not looked at."""

    code = "too_many_requests"
    status = 429
    title = "This was asked for too often"


class Limits(Protocol):
    """What the guard asks before a route that has a limit."""

    def check(self, request: Request, route: str, who: str) -> None:
        """Count the request of `who`; raises `TooManyRequests` when it is one too many."""
        ...


class Unlimited:
    """No limit at all."""

    def check(self, request: Request, route: str, who: str) -> None:
        """Nothing is counted."""


class CountedLimits:
    """Limits that hold for all replicas of a service together, because they share its database.

    A database that is away is no reason to turn anybody away: then nothing is counted, and the route itself finds out
    whether it can do without.
    """

    def __init__(self, rates: Rates, allowed: Mapping[Limit, Rate | None]) -> None:
        self.rates = rates
        self.allowed = allowed

    def check(self, request: Request, route: str, who: str) -> None:
        limit = LIMITS[route]
        rate = self.allowed[limit]
        if rate is None:
            return
        try:
            answer = self.rates.spend(f"{limit}:{who}", rate)
        except Unavailable as error:
            log.warning("limit.not_counted", limit=str(limit), code=error.code)
            return
        add_headers(request, _headers(limit, rate, answer))
        if not answer.passes:
            _turn_away(request, limit, answer)


def within_limits(request: Request) -> None:
    """Let pass, after the guard, who does not ask too often; raises `TooManyRequests`."""
    limits: Limits = request.app.state.limits
    table: Table = request.app.state.rights
    route = f"{request.method} {request.scope['route'].path}"
    if route in LIMITS:
        principal = None if table[route] is PUBLIC else principal_of(request)
        who = f"person:{principal.person_ref}" if principal else f"address:{address_of(request)}"
        limits.check(request, route, who)


def address_of(request: Request) -> str:
    """Where a request comes from, for counting: an IPv4 address, or the network of an IPv6 address."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), NETWORK_BITS), strict=False))


def _turn_away(request: Request, limit: Limit, answer: Answer) -> None:
    seconds = max(1, math.ceil(answer.wait.total_seconds()))
    add_headers(request, {"retry-after": str(seconds)})
    log.info("limit.reached", limit=str(limit), wait_seconds=seconds)
    words = f"Please wait {seconds} {'second' if seconds == 1 else 'seconds'} and send it again. Nothing was received."
    raise TooManyRequests(words, retry_after_seconds=seconds)


def _headers(limit: Limit, rate: Rate, answer: Answer) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-10 writes them."""
    seconds = int(rate.period.total_seconds())
    reset = math.ceil((rate.share if answer.passes else answer.wait).total_seconds())
    return {
        "ratelimit-policy": f'"{limit}";q={rate.requests};w={seconds}',
        "ratelimit": f'"{limit}";r={answer.left};t={max(1, reset)}',
    }
