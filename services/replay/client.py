"""The clients of a replay: students who hand in, tutors who collect and choose, over HTTP, as patient as real ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from typing import Final

import httpx2

from shared.errors import EtmaError

PATIENCE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.5
TIMEOUT_SECONDS: Final = 30.0
_PASSING: Final = frozenset(
    {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE, HTTPStatus.TOO_MANY_REQUESTS}
)


class Unexpected(EtmaError):
    """The system answered what no client of a replay can go on with."""

    code = "replay_unexpected"
    title = "The replay cannot go on"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where students hand in and where tutors collect; where several processes do the same, they take turns."""

    submission: Sequence[str]
    marking: Sequence[str]


class Client:
    """Safe to use from several threads. `connections` is how many requests may be under way at a time."""

    def __init__(self, addresses: Addresses, *, connections: int) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx2.Client(limits=limits, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._submission, self._marking = cycle(addresses.submission), cycle(addresses.marking)

    def hand_in(self, *, token: str, assignment_id: str, key: str, content: bytes) -> str | None:
        """The receipt; None when it was refused. A retry after a lost answer uses the same key. Raises `Unexpected`."""
        answer = self._patiently(
            lambda: self._http.post(
                f"{next(self._submission)}/api/v1/assignments/{assignment_id}/submissions",
                files={"file": (f"{assignment_id}.pdf", content, "application/pdf")},
                headers={"authorization": f"Bearer {token}", "idempotency-key": key},
            )
        )
        if answer.status_code == HTTPStatus.CREATED:
            return str(answer.json()["receipt"])
        if _is_refusal(answer):
            return None
        raise _unexpected(answer)

    def collect(self, *, token: str, work_id: str) -> None:
        """Collect the work; collecting again changes nothing. Raises `Unexpected`."""
        self._as_tutor(token, f"/api/v1/scripts/{work_id}/collection")

    def take_later(self, *, token: str, submission_id: str) -> None:
        """Take a version that came after collection; taking it again changes nothing. Raises `Unexpected`."""
        self._as_tutor(token, f"/api/v1/later-versions/{submission_id}/answer", {"choice": "take"})

    def close(self) -> None:
        self._http.close()

    def _as_tutor(self, token: str, path: str, given: Mapping[str, str] | None = None) -> None:
        headers = {"authorization": f"Bearer {token}"}
        answer = self._patiently(lambda: self._http.post(f"{next(self._marking)}{path}", headers=headers, json=given))
        if answer.status_code != HTTPStatus.OK:
            raise _unexpected(answer)

    def _patiently(self, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        """Send; again, for a minute, when the connection broke or the system said that it is a passing trouble."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = send()
            except httpx2.TransportError as error:
                if time.monotonic() > deadline:
                    raise Unexpected(f"No answer for {PATIENCE_SECONDS:.0f} seconds: {error!r}") from error
            else:
                if answer.status_code not in _PASSING or time.monotonic() > deadline:
                    return answer
            time.sleep(PAUSE_SECONDS)


def _is_refusal(answer: httpx2.Response) -> bool:
    problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    return problem and str(answer.json().get("code")).startswith("refused_")


def _unexpected(answer: httpx2.Response) -> Unexpected:
    return Unexpected(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text}")
