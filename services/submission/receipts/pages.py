"""The pages on which anybody checks a receipt: by its text or its PDF, or by the number on a printed sheet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from services.submission.receipts.domain import BadReceipt
from services.submission.receipts.handlers import Verdict, Verification
from services.submission.receipts.reading import OFFERED_BYTES, STATEMENT_BYTES, too_large
from shared.web.envelope import BodyTooLarge, set_body_limit
from shared.web.pages import Pages

FORM_BYTES: Final = OFFERED_BYTES + 64 * 1024
"""A file of the largest size with the form around it, or a text."""


class VerifyPages:
    """What the routes share."""

    def __init__(self, verification: Verification, pages: Pages) -> None:
        self.verification = verification
        self.pages = pages

    def form(self, request: Request, *, text: str = "", problem: BadReceipt | None = None) -> Response:
        """The form, after a problem with it."""
        status = problem.status if problem else 200
        return self._render(request, status_code=status, text=text, problem=problem, verdict=None)

    def verdict(self, request: Request, offered: bytes, text: str) -> Response:
        """What there is to be said of what was offered, above the form."""
        try:
            verdict = self.verification.check(offered)
        except BadReceipt as problem:
            return self.form(request, text=text, problem=problem)
        return self._render(request, text=text, problem=None, verdict=verdict)

    def issued(self, request: Request, receipt_id: str) -> Response:
        """What the university has on record for a receipt, but not whose it is."""
        verdict = self.verification.issued(receipt_id)
        return self.pages.render(request, "submission/issued.html", verdict=verdict, moments=_moments(verdict))

    def _render(self, request: Request, *, status_code: int = 200, verdict: Verdict | None, **words: Any) -> Response:  # noqa: ANN401 - for the template
        moments = _moments(verdict) if verdict else {}
        return self.pages.render(
            request, "submission/verify.html", status_code=status_code, verdict=verdict, moments=moments, **words
        )


def routes(verification: Verification, pages: Pages) -> APIRouter:
    """`/verify` and what stands below it."""
    router = APIRouter(include_in_schema=False)
    parts = VerifyPages(verification, pages)

    @router.get("/verify")
    def form(request: Request) -> Response:
        return parts.form(request)

    @router.get("/verify/{receipt_id}")
    def issued(request: Request, receipt_id: str) -> Response:
        return parts.issued(request, receipt_id)

    @router.post("/verify")
    async def verify(request: Request) -> Response:
        try:
            offered, text = await _offered(request)
        except BadReceipt as problem:
            return await run_in_threadpool(parts.form, request, problem=problem)
        return await run_in_threadpool(parts.verdict, request, offered, text)

    return router


async def _offered(request: Request) -> tuple[bytes, str]:
    """The file that was sent, else the text; and the text for the form. Raises `BadReceipt`."""
    set_body_limit(request, FORM_BYTES)
    try:
        async with request.form(max_files=1, max_fields=2, max_part_size=STATEMENT_BYTES * 2) as form:
            file, text = form.get("file"), form.get("receipt")
            content = await file.read() if isinstance(file, UploadFile) else b""
    except BodyTooLarge as error:
        raise too_large() from error
    except HTTPException as error:
        raise BadReceipt("The form was sent in a way that cannot be read. Please send it again.") from error
    shown = text if isinstance(text, str) else ""
    return (content, "") if content else (shown.encode("utf-8", "replace"), shown)


def _moments(verdict: Verdict) -> dict[str, dict[str, datetime]]:
    """The moments that the statement claims, and those of the ruling that corrected it."""
    found = {"statement": verdict.statement, "ruling": verdict.ruling}
    return {name: _moments_in(statement.claims) for name, statement in found.items() if statement}


def _moments_in(claims: Mapping[str, Any]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(value) for name, value in claims.items() if name.endswith("_at")}
