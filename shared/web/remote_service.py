"""Questions that one service's process asks of another's, over HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar

import httpx2 as httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.errors import Conflict, EtmaError, NotFound, Rejected, Unavailable
from shared.web.tokens import ServiceTokens

T = TypeVar("T")

CONNECT_SECONDS = 1.0
IDLE_SECONDS = 2.0
"""How long a connection is kept for the next question: less than a server keeps it, which would close it under us."""

_REFUSALS: dict[int, type[Rejected]] = {HTTPStatus.NOT_FOUND: NotFound, HTTPStatus.CONFLICT: Conflict}
_NOT_TRUSTED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Problem(BaseModel):
    """What is read of a failure (RFC 9457)."""

    detail: str


PROBLEM = TypeAdapter(Problem)


class RemoteService:
    """The service `name` at `url`, asked with tokens for a service that live for a minute.

    What it refuses is raised as it would be in its own process: `NotFound`, `Conflict` or another `Rejected`. When it
    cannot be asked, or gives an answer that makes no sense, that is `Unavailable`, with words that name it.
    """

    def __init__(self, name: str, url: str, tokens: ServiceTokens, *, asked_by: str) -> None:
        self.name = name
        self.url = url
        self._tokens = tokens
        self._asked_by = asked_by
        self._client = httpx.Client(trust_env=False, limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS))

    def get(self, path: str, *, seconds: float, **query: str | int) -> bytes:
        """The answer to a question; `seconds` is how long it may take to come."""
        return self._ask("GET", path, seconds=seconds, params=query)

    def post(self, path: str, body: BaseModel, *, seconds: float) -> bytes:
        """The answer to a command. When it is `Unavailable`, the command may have been carried out."""
        return self._ask("POST", path, seconds=seconds, json=body.model_dump())

    def read(self, content: bytes, shape: TypeAdapter[T]) -> T:
        """What an answer says."""
        try:
            return shape.validate_json(content)
        except ValidationError as error:
            raise self._away("its answer has not the shape agreed") from error

    def close(self) -> None:
        self._client.close()

    def _ask(self, method: str, path: str, *, seconds: float, **request: Any) -> bytes:  # noqa: ANN401 - httpx's
        if not self.url:
            raise self._away(f"ETMA_{self.name.upper()}_URL does not say where it is")
        headers = {"authorization": f"Bearer {self._tokens.issue(self._asked_by)}"}
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        try:
            answer = self._client.request(method, self.url + path, headers=headers, timeout=timeout, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away(type(error).__name__) from error
        if not answer.is_success:
            raise self._failure(answer)
        return answer.content

    def _failure(self, answer: httpx.Response) -> EtmaError:
        if answer.status_code in _NOT_TRUSTED:
            return self._away("it does not trust this process; do both have the same keys, and the same time?")
        if not answer.is_client_error:
            return self._away(f"it answered {answer.status_code}")
        problem = self.read(answer.content, PROBLEM)
        return _REFUSALS.get(answer.status_code, Rejected)(problem.detail)

    def _away(self, why: str) -> Unavailable:
        return Unavailable(f"{self.name} cannot be asked: {why}")
