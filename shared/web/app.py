"""The web application every service is served by: its routes, health, and errors in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from shared.errors import EtmaError, Unavailable
from shared.web.callers import Callers
from shared.web.envelope import Envelope
from shared.web.limits import Limits, Unlimited, within_limits
from shared.web.openapi import describe
from shared.web.pages import Pages
from shared.web.problems import Problems
from shared.web.rights import RIGHTS, Table
from shared.web.sessions import guard

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
Readiness = Callable[[], Mapping[str, str]]


def create_app(
    *,
    routers: Sequence[APIRouter],
    pages: Pages,
    callers: Callers,
    form_secret: bytes,
    ready: Readiness,
    remarks: Readiness = dict,
    rights: Table = RIGHTS,
    limits: Limits | None = None,
    secure: bool = False,
    maintenance: str = "",
) -> FastAPI:
    """The application; `ready` gives the name and the words of each part that is not well. None: there are no limits.

    `remarks` are such words about parts without which it is ready all the same.

    `secure` keeps cookies from going over plain HTTP. `maintenance` says to people why they are not served now; empty:
    they are. Raises `NoRights` for a route that the table does not know.
    """
    app = FastAPI(
        title="etma",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        dependencies=[Depends(guard), Depends(within_limits)],
    )
    app.state.callers = callers
    app.state.form_secret = form_secret
    app.state.rights = rights
    app.state.limits = limits or Unlimited()
    app.state.secure = secure
    app.state.maintenance = maintenance
    for router in routers:
        _require_rights(router, rights)
        app.include_router(router)
    describe(app, rights)
    app.include_router(_statements(pages))
    _dress(app, pages, ready, remarks)
    return app


class NoRights(EtmaError):
    """A route has no row in the table of rights, so that nobody may use it: a mistake in the code."""

    code = "no_rights"


def routes_of(router: APIRouter) -> list[str]:
    """Its routes as the table of rights writes them."""
    if not all(isinstance(route, APIRoute) for route in router.routes):
        raise NoRights("a router in a router hides its routes: give both to the application")
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    return [f"{method} {route.path}" for route in routes for method in sorted(route.methods or ())]


def _require_rights(router: APIRouter, rights: Table) -> None:
    missing = [route for route in routes_of(router) if route not in rights]
    if missing:
        raise NoRights(f"no rights are written for {', '.join(missing)} (shared/web/rights.py)")


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


def _dress(app: FastAPI, pages: Pages, ready: Readiness, remarks: Readiness = dict) -> None:
    """Give it what all that people look at have: health, the looks, failures in one form, and the envelope."""
    app.include_router(_health(ready, remarks))
    app.add_route("/static/{file}", pages.assets.answer, methods=["GET"])
    problems = Problems(pages)
    problems.handle(app)
    app.add_middleware(Envelope, failed=problems.unknown)


def health_app(ready: Readiness) -> FastAPI:
    """The application of a process that serves nobody: it only tells how it is."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_health(ready))
    return app


def _statements(pages: Pages) -> APIRouter:
    """What the law wants to be said of the pages, alike in every service."""
    router = APIRouter(include_in_schema=False)

    @router.get("/accessibility")
    def accessibility(request: Request) -> Response:
        return pages.render(request, "accessibility.html")

    return router


def _health(ready: Readiness, remarks: Readiness = dict) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/favicon.ico")
    def favicon() -> Response:
        return Response(status_code=204, headers={"cache-control": "public, max-age=86400"})

    @router.get("/readyz")
    def readyz() -> JSONResponse:
        problems = dict(ready())
        said = {"ready": not problems, "problems": problems, "remarks": dict(remarks())}
        return JSONResponse(said, status_code=503 if problems else 200)

    return router
