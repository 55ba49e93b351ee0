"""The web application every service is served by: correlation, headers, errors in one form, health."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import EtmaError
from shared.web.pages import STATIC, Pages
from shared.web.sessions import SignInFirst
from shared.web.tokens import Tokens

log = structlog.get_logger()

_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
Readiness = Callable[[], Mapping[str, str]]


class Envelope:
    """Around every request: a correlation id, a log event, the headers that make browsers careful. Buffers nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        correlation_id = _correlation_id(scope)
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        started, status = time.perf_counter(), 500

        async def send_wrapped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _with_ours(message["headers"], correlation_id)}
            await send(message)

        try:
            await self.app(scope, receive, send_wrapped)
        finally:
            route = scope.get("route")
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            path = getattr(route, "path", "unknown")
            log.info("http.answered", method=scope["method"], route=path, status=status, ms=milliseconds)
            structlog.contextvars.unbind_contextvars("correlation_id")


def _with_ours(headers: list[tuple[bytes, bytes]], correlation_id: str) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in headers}
    ours = {**_HEADERS, "x-correlation-id": correlation_id, "cache-control": "no-store"}
    return [*headers, *((n.encode(), v.encode()) for n, v in ours.items() if n.encode() not in names)]


def _correlation_id(scope: Scope) -> str:
    sent = dict(scope["headers"]).get(b"x-correlation-id", b"").decode("latin-1")
    return sent if _TOKEN.fullmatch(sent) else str(uuid.uuid4())


class CachedForEver(StaticFiles):
    """Files whose address changes with their content."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def create_app(
    *, routers: Sequence[APIRouter], pages: Pages, tokens: Tokens, form_secret: bytes, ready: Readiness
) -> FastAPI:
    """The application; `ready` gives the name and the words of each part that is not well."""
    app = FastAPI(title="etma", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.tokens = tokens
    app.state.form_secret = form_secret
    for router in routers:
        app.include_router(router)
    app.include_router(_health(ready))
    app.mount("/static", CachedForEver(directory=STATIC), name="static")
    _answer_errors(app, pages)
    app.add_middleware(Envelope)
    return app


def _health(ready: Readiness) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/favicon.ico")
    def favicon() -> Response:
        return Response(status_code=204)

    @router.get("/readyz")
    def readyz() -> JSONResponse:
        problems = dict(ready())
        return JSONResponse({"ready": not problems, "problems": problems}, status_code=503 if problems else 200)

    return router


def _answer_errors(app: FastAPI, pages: Pages) -> None:
    @app.exception_handler(SignInFirst)
    def sign_in_first(_request: Request, error: SignInFirst) -> Response:
        return RedirectResponse(error.location, status_code=303)

    @app.exception_handler(EtmaError)
    def ours(request: Request, error: EtmaError) -> Response:
        return _answer(
            request, pages, error.status, code=error.code, title=error.title, detail=error.detail, **error.extra
        )

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        fields = [{"field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors()]
        detail = "; ".join(f"{field['field']}: {field['message']}" for field in fields)
        return _answer(
            request, pages, 422, code="invalid_request", title="The request is not valid", detail=detail, errors=fields
        )

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase
        words = {404: "There is no such page.", 405: "This cannot be done here."}.get(error.status_code, title)
        return _answer(
            request, pages, error.status_code, code=title.lower().replace(" ", "_"), title=title, detail=words
        )

    @app.exception_handler(Exception)
    def unknown(request: Request, error: Exception) -> Response:
        reference = request.state.correlation_id
        log.error("http.failed", reference=reference, exc_info=error)
        detail = f"Nothing you did is wrong. If it happens again, tell us this reference: {reference}."
        return _answer(
            request, pages, 500, code="internal_error", title="Something went wrong", detail=detail, reference=reference
        )


def _answer(
    request: Request, pages: Pages, status: int, *, code: str, title: str, detail: str, **extra: object
) -> Response:
    """RFC 9457 for programs, a page with the same words for people."""
    correlation_id = request.state.correlation_id
    if not _wants_json(request):
        return pages.render(
            request, "error.html", status_code=status, title=title, detail=detail, correlation_id=correlation_id
        )
    body = {
        "type": f"urn:etma:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": request.url.path,
        "correlation_id": correlation_id,
        **extra,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def _wants_json(request: Request) -> bool:
    machine = request.url.path.startswith(("/api/", "/internal/", "/.well-known/"))
    return machine or "application/json" in request.headers.get("accept", "")
