"""The web application every service is served by: its routes, health, and errors in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from shared.errors import Unavailable
from shared.web.envelope import Envelope
from shared.web.pages import STATIC, Pages
from shared.web.problems import Problems
from shared.web.sessions import Revocations
from shared.web.tokens import Tokens

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
Readiness = Callable[[], Mapping[str, str]]


class CachedForEver(StaticFiles):
    """Files whose address changes with their content."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def create_app(
    *,
    routers: Sequence[APIRouter],
    pages: Pages,
    tokens: Tokens,
    revocations: Revocations,
    form_secret: bytes,
    ready: Readiness,
) -> FastAPI:
    """The application; `ready` gives the name and the words of each part that is not well."""
    app = FastAPI(title="etma", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.tokens = tokens
    app.state.revocations = revocations
    app.state.form_secret = form_secret
    for router in routers:
        app.include_router(router)
    _dress(app, pages, ready)
    return app


class NotYet(Unavailable):
    """The process has not begun: what it needs is away, or it has only just been started."""

    code = "starting"
    title = "The service is starting"


def waiting_app(ready: Readiness, pages: Pages) -> FastAPI:
    """The application of a process that will serve people: until it can, every address says that trying again helps."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def not_yet(request: Request) -> None:
        request.state.principal = None  # who asks cannot be found out yet
        raise NotYet("The service is starting. Nothing was received; send it again in a few seconds.")

    _dress(app, pages, ready)
    app.add_api_route("/{path:path}", not_yet, methods=METHODS)
    return app


def _dress(app: FastAPI, pages: Pages, ready: Readiness) -> None:
    """Give it what all that people look at have: health, the looks, failures in one form, and the envelope."""
    app.include_router(_health(ready))
    app.mount("/static", CachedForEver(directory=STATIC), name="static")
    problems = Problems(pages)
    problems.handle(app)
    app.add_middleware(Envelope, failed=problems.unknown)


def health_app(ready: Readiness) -> FastAPI:
    """The application of a process that serves nobody: it only tells how it is."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_health(ready))
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
