"""Failures in one form: RFC 9457 for programs, a page with the same words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from shared.errors import EtmaError, Unavailable
from shared.web.envelope import BODY_BYTES
from shared.web.kept_forms import kept_form
from shared.web.pages import Pages
from shared.web.sessions import SignInFirst, WrongForm

log = structlog.get_logger()

SERVER_ERROR = 500

TRY_AGAIN = (
    "Nothing you did is wrong. Please try again in a few minutes. "
    "If you were handing in a file: it was received only if you have a receipt for it."
)
"""What an outage means for people; what it is, is in the log and in the answer to programs."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong: a stable code, and words that say what to do."""

    status: int
    code: str
    title: str
    detail: str


_OF_HTTP = {
    400: Problem(
        status=400,
        code="bad_body",
        title="What was sent cannot be read",
        detail="Nothing was done. Send JSON in UTF-8 where JSON is taken, or the form as it was given.",
    ),
    404: Problem(
        status=404,
        code="not_found",
        title="Page not found",
        detail="There is nothing at this address. If you typed it, check it.",
    ),
    405: Problem(
        status=405,
        code="method_not_allowed",
        title="This cannot be done here",
        detail="Nothing was done. Go back, and use what the page offers.",
    ),
    413: Problem(
        status=413,
        code="body_too_large",
        title="This is too large",
        detail=f"What was sent is larger than {BODY_BYTES // 1024} KB, the most that is taken here.",
    ),
}


class Problems:
    """Makes the answer to every failure."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    def handle(self, app: FastAPI) -> None:
        """Let the application answer what it knows; what it does not know is the envelope's, which asks `unknown`."""
        app.add_exception_handler(SignInFirst, self._sign_in_first)  # type: ignore[arg-type]  # called for its class
        app.add_exception_handler(WrongForm, self._wrong_form)  # type: ignore[arg-type]
        app.add_exception_handler(EtmaError, self._ours)  # type: ignore[arg-type]
        app.add_exception_handler(RequestValidationError, self._invalid)  # type: ignore[arg-type]
        app.add_exception_handler(HTTPException, self._http)  # type: ignore[arg-type]

    def unknown(self, request: Request, error: Exception) -> Response:
        """A bug: logged, and answered with words and a reference."""
        reference = _log_failure(request, error)
        detail = f"Nothing you did is wrong. If it happens again, tell us this reference: {reference}."
        problem = Problem(status=500, code="internal_error", title="Something went wrong", detail=detail)
        return self._answer(request, problem, extra={"reference": reference})

    async def _sign_in_first(self, request: Request, error: SignInFirst) -> Response:
        kept = await self._keep(request, error)
        return RedirectResponse(error.location, status_code=303) if kept is None else kept

    async def _wrong_form(self, request: Request, error: WrongForm) -> Response:
        kept = await self._keep(request, error)
        return await run_in_threadpool(self._ours, request, error) if kept is None else kept

    async def _keep(self, request: Request, error: EtmaError) -> Response | None:
        """The form once more, to be sent by who signs in again; None when there is none that can be kept."""
        form = None if _wants_json(request) else await kept_form(request)
        if form is None:
            return None
        return await run_in_threadpool(self.pages.render, request, "kept.html", status_code=error.status, form=form)

    def _ours(self, request: Request, error: EtmaError) -> Response:
        if error.status >= SERVER_ERROR:
            _log_failure(request, error)
        is_outage_for_people = isinstance(error, Unavailable) and not _wants_json(request)
        detail = TRY_AGAIN if is_outage_for_people else error.detail
        problem = Problem(status=error.status, code=error.code, title=error.title, detail=detail)
        return self._answer(request, problem, extra=error.extra)

    def _invalid(self, request: Request, error: RequestValidationError) -> Response:
        fields = [{"field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors()]
        named = "; ".join(f"{field['field']}: {field['message']}" for field in fields)
        detail = named if _wants_json(request) else f"Nothing was done. Go back and correct this: {named}."
        problem = Problem(status=422, code="invalid_request", title="The request is not valid", detail=detail)
        return self._answer(request, problem, extra={"errors": fields})

    def _http(self, request: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase
        other = Problem(
            status=error.status_code, code=title.lower().replace(" ", "_"), title=title, detail=str(error.detail)
        )
        return self._answer(request, _OF_HTTP.get(error.status_code, other), headers=error.headers)

    def _answer(
        self,
        request: Request,
        problem: Problem,
        *,
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        make = self._for_programs if _wants_json(request) else self._for_people
        response = make(request, problem, extra or {})
        response.headers.update(headers or {})
        return response

    def _for_people(self, request: Request, problem: Problem, _extra: Mapping[str, object]) -> Response:
        return self.pages.render(
            request,
            "error.html",
            status_code=problem.status,
            title=problem.title,
            detail=problem.detail,
            correlation_id=request.state.correlation_id,
        )

    def _for_programs(self, request: Request, problem: Problem, extra: Mapping[str, object]) -> Response:
        body = {
            "type": f"urn:etma:problem:{problem.code}",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "code": problem.code,
            "instance": request.url.path,
            "correlation_id": request.state.correlation_id,
            **extra,
        }
        return JSONResponse(body, status_code=problem.status, media_type="application/problem+json")


def _log_failure(request: Request, error: Exception) -> str:
    reference: str = request.state.correlation_id
    log.error("http.failed", reference=reference, exc_info=error)
    return reference


def _wants_json(request: Request) -> bool:
    machine = request.url.path.startswith(("/api/", "/internal/", "/.well-known/"))
    return machine or "application/json" in request.headers.get("accept", "")
