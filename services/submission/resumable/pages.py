"""The button by which a student hands in what was uploaded; the list of uploads is on the assignment's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.submission.resumable.handlers import Uploads
from services.submission.submissions.pages import StudentPages
from shared.errors import NotFound, Rejected
from shared.web.sessions import SignedIn, check_form


def routes(uploads: Uploads, parts: StudentPages) -> APIRouter:
    """The form's address."""
    router = APIRouter(include_in_schema=False)

    @router.post("/uploads/{upload_id}/confirm")
    def confirm(
        request: Request, upload_id: str, student: SignedIn, csrf_token: Annotated[str, Query()] = ""
    ) -> Response:
        check_form(request, student, csrf_token)
        try:
            accepted = uploads.confirm(upload_id, student.person_ref)
        except NotFound:
            raise
        except Rejected as error:
            upload = uploads.own(upload_id, student.person_ref)
            return parts.assignment(request, upload.assignment_id, student, detail=error.detail, status=error.status)
        return RedirectResponse(f"/receipts/{accepted.submission_id}", status_code=303)

    return router
