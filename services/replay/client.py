"""The clients of a replay: students who hand in, tutors who collect and choose, over HTTP, as patient as real ones."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from typing import Any, Final

import httpx2

from shared.errors import EtmaError

PATIENCE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.5
TIMEOUT_SECONDS: Final = 30.0
PIECES: Final = 3
"""A file that is sent by tus goes in so many requests."""

_PASSING: Final = frozenset(
    {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE, HTTPStatus.TOO_MANY_REQUESTS}
)
_ASK_WHERE: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.LOCKED, HTTPStatus.REQUEST_TIMEOUT})
"""What a PATCH is answered whose twin arrived, or still arrives: the server knows how far it is."""


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
    """Safe to use from several threads. `connections` is how many requests may be under way at a time.

    With `by_tus` files go as uploads that can be resumed, else each in one request.
    """

    def __init__(self, addresses: Addresses, *, connections: int, by_tus: bool = False) -> None:
        self._by_tus = by_tus
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx2.Client(limits=limits, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._submission, self._marking = cycle(addresses.submission), cycle(addresses.marking)

    def hand_in(self, *, token: str, assignment_id: str, key: str, content: bytes) -> str | None:
        """The receipt; None when it was refused. A retry after a lost answer uses the same key. Raises `Unexpected`."""
        handed_in = self._upload if self._by_tus else self._post
        return handed_in({"authorization": f"Bearer {token}"}, assignment_id, key, content)

    def collect(self, *, token: str, work_id: str) -> None:
        """Collect the work; collecting again changes nothing. Raises `Unexpected`."""
        self._as_tutor(token, f"/api/v1/scripts/{work_id}/collection")

    def take_later(self, *, token: str, submission_id: str) -> None:
        """Take a version that came after collection; taking it again changes nothing. Raises `Unexpected`."""
        self._as_tutor(token, f"/api/v1/later-versions/{submission_id}/answer", {"choice": "take"})

    def close(self) -> None:
        self._http.close()

    def _post(self, who: Mapping[str, str], assignment_id: str, key: str, content: bytes) -> str | None:
        path = f"/api/v1/assignments/{assignment_id}/submissions"
        files = {"file": (f"{assignment_id}.pdf", content, "application/pdf")}
        return _receipt_of(self._ask("POST", path, headers={**who, "idempotency-key": key}, files=files))

    def _upload(self, who: Mapping[str, str], assignment_id: str, key: str, content: bytes) -> str | None:
        """By tus. An upload that a crash of ours left behind expires; the key sees to it that it counts once."""
        said = {"assignment": assignment_id, "filename": f"{assignment_id}.pdf", "key": key}
        tus = {**who, "tus-resumable": "1.0.0"}
        announced = {"upload-length": str(len(content)), "upload-metadata": _metadata_of(said)}
        created = self._ask("POST", "/api/v1/uploads", headers=tus | announced)
        if _is_refusal(created):
            return None
        if created.status_code != HTTPStatus.CREATED:
            raise _unexpected(created)
        path = created.headers["location"]
        self._send_pieces(path, tus, content)
        if self._state_when_checked(path, who) == "refused":
            return None
        return _receipt_of(self._ask("POST", f"{path}/confirm", headers=who))

    def _send_pieces(self, path: str, tus: Mapping[str, str], content: bytes) -> None:
        offset, piece = 0, -(-len(content) // PIECES)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while offset < len(content):
            where = {"upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
            answer = self._ask("PATCH", path, headers={**tus, **where}, content=content[offset : offset + piece])
            if answer.status_code in _ASK_WHERE and time.monotonic() < deadline:
                time.sleep(PAUSE_SECONDS)
                answer = self._ask("HEAD", path, headers=tus)
            if not answer.is_success:
                raise _unexpected(answer)
            offset = int(answer.headers["upload-offset"])

    def _state_when_checked(self, path: str, who: Mapping[str, str]) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._ask("GET", path, headers=who)
            if answer.status_code != HTTPStatus.OK:
                raise _unexpected(answer)
            state = str(answer.json()["state"])
            if state != "checking":
                return state
            if time.monotonic() > deadline:
                raise Unexpected(f"{path} was not checked within {PATIENCE_SECONDS:.0f} seconds.")
            time.sleep(PAUSE_SECONDS)

    def _ask(self, method: str, path: str, **what: Any) -> httpx2.Response:  # noqa: ANN401 - as httpx2 takes it
        return self._patiently(lambda: self._http.request(method, f"{next(self._submission)}{path}", **what))

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


def _receipt_of(answer: httpx2.Response) -> str | None:
    if answer.status_code == HTTPStatus.CREATED:
        return str(answer.json()["receipt"])
    if _is_refusal(answer):
        return None
    raise _unexpected(answer)


def _metadata_of(said: Mapping[str, str]) -> str:
    """An Upload-Metadata header of tus."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())


def _is_refusal(answer: httpx2.Response) -> bool:
    problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    return problem and str(answer.json().get("code")).startswith("refused_")


def _unexpected(answer: httpx2.Response) -> Unexpected:
    return Unexpected(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text}")
