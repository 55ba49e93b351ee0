"""What the OpenAPI document says beyond the routes' own words: failures in one form, who may, and what has a limit.

A route names by `failures` what may come of it alone; what comes of the tables of rights and limits is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from shared.web.limits import LIMITS
from shared.web.rights import PUBLIC, Table
from shared.web.sessions import COOKIE

PROBLEM: Final = "application/problem+json"
_METHODS: Final = ("get", "put", "post", "delete", "patch")
_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A session's token, as `etma token` prints it."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A browser's session."},
}

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """What went wrong (RFC 9457): `code` is stable, `detail` says what to do. Some failures say more than this."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    correlation_id: str


def failures(*statuses: int) -> Responses:
    """The answers of a route to what cannot be done; those that every route has need no naming."""
    return {status: _failure(status) for status in statuses}


def content(media_type: str) -> Responses:
    """The answer of a route that gives a file."""
    return {200: {"description": "The file", "content": {media_type: {"schema": {"type": "string"}}}}}


def file_in_a_form() -> dict[str, Any]:
    """The body of a request that hands in a file, which its route reads by itself."""
    file = {"type": "string", "format": "binary", "description": "The one file, with its name."}
    form = {"type": "object", "properties": {"file": file}, "required": ["file"]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def describe(app: FastAPI, rights: Table) -> None:
    """Let the application's document say all of it."""
    plain = app.openapi

    @cache
    def whole() -> dict[str, Any]:
        document = plain()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        components["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            for method in operations.keys() & set(_METHODS):
                _complete(operations[method], f"{method.upper()} {path}", rights)
        return document

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's way to change its document


def _complete(operation: dict[str, Any], route: str, rights: Table) -> None:
    statuses = [422, 503]
    if rights[route] is not PUBLIC:
        statuses += [401, 403]
        operation["security"] = [{name: []} for name in _SCHEMES]
    if route in LIMITS:
        statuses.append(429)
    if "requestBody" in operation:
        statuses += [400, 413]
    operation["responses"] |= {str(status): _failure(status) for status in statuses}


def _failure(status: int) -> dict[str, Any]:
    answer = {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": _REFERENCE}}}
    return answer | ({"headers": _RETRY} if status in {429, 503} else {})


_RETRY: Final[Mapping[str, Any]] = {
    "Retry-After": {"description": "In how many seconds to come again.", "schema": {"type": "integer", "minimum": 1}}
}
