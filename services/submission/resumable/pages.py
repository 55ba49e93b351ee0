"""The buttons by which a student hands in or ends what was uploaded; the list is on the assignment's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.submission.resumable.domain import Upload
from services.submission.resumable.handlers import Uploads
from services.submission.submissions.pages import StudentPages
from shared.errors import Rejected
from shared.web.sessions import SignedIn, check_form
from shared.web.tokens import Principal


def routes(uploads: Uploads, parts: StudentPages) -> APIRouter:
    """The forms' addresses."""
    router = APIRouter(include_in_schema=False)

    def act(request: Request, upload_id: str, student: Principal, token: str, do: Callable[[Upload], str]) -> Response:
        """Do it and go where it says; what cannot be done is said on the assignment's page."""
        check_form(request, student, token)
        upload = uploads.own(upload_id, student.person_ref)
        try:
            return RedirectResponse(do(upload), status_code=303)
        except Rejected as error:
            return parts.assignment(request, upload.assignment_id, student, detail=error.detail, status=error.status)

    @router.post("/uploads/{upload_id}/confirm")
    def confirm(
        request: Request, upload_id: str, student: SignedIn, csrf_token: Annotated[str, Query()] = ""
    ) -> Response:
        def do(upload: Upload) -> str:
            return f"/receipts/{uploads.confirm(upload.upload_id, student.person_ref).submission_id}"

        return act(request, upload_id, student, csrf_token, do)

    @router.post("/uploads/{upload_id}/end")
    def end(request: Request, upload_id: str, student: SignedIn, csrf_token: Annotated[str, Query()] = "") -> Response:
        def do(upload: Upload) -> str:
            uploads.terminate(upload.upload_id, student.person_ref)
            return f"/assignments/{upload.assignment_id}"

        return act(request, upload_id, student, csrf_token, do)

    return router
