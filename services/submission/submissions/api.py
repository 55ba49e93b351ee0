"""Handing in and receipts, for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from services.submission.catalogue.views import CatalogueViews
from services.submission.receipts.handlers import Verification
from services.submission.receipts.printing import Sheet, print_receipt
from services.submission.submissions.domain import Attempt
from services.submission.submissions.handlers import Accepted, HandIn, Incoming
from services.submission.submissions.views import SubmissionViews
from services.submission.upload.multipart import BadUpload, MultipartFile
from shared.contracts import Band, Channel
from shared.database import Database
from shared.errors import NotFound, Rejected
from shared.web.envelope import lift_body_limit
from shared.web.sessions import check_form, require
from shared.web.tokens import Principal

BUFFER_BYTES = 512 * 1024
Student = Annotated[Principal, Depends(require("student"))]


class KeyMissing(Rejected):
    """Without the key a retry could hand in twice."""

    code = "idempotency_key_missing"
    status = 400
    title = "The header Idempotency-Key is missing"


class ReceiptOut(BaseModel):
    """What a student gets for handing in; `receipt` is the signed statement itself."""

    submission_id: str
    work_id: str
    assignment_id: str
    version: int
    band: Band
    sha256: str
    size_bytes: int
    receipt_id: str
    receipt: str


def routes(
    hand_in: HandIn,
    catalogue: CatalogueViews,
    views: SubmissionViews,
    verification: Verification,
    database: Database,
) -> APIRouter:
    """The JSON routes of handing in, and the receipts."""
    router = APIRouter(tags=["submission"])

    @router.post("/api/v1/assignments/{assignment_id}/submissions", status_code=201)
    async def submit(
        request: Request,
        assignment_id: str,
        student: Student,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> ReceiptOut:
        """Hand in one file: multipart, the part named `file`. A retry with the same key gets the same receipt."""
        if not idempotency_key:
            raise KeyMissing(
                "Send a header Idempotency-Key: a new random value for each version, the same for a retry."
            )
        check_form(request, student, request.headers.get("x-csrf-token"))
        attempt = attempt_of(
            request, assignment_id, student, key=idempotency_key, channel=Channel.API, database=database
        )
        accepted, _ = await receive(request, hand_in, attempt)
        return ReceiptOut.model_validate(accepted, from_attributes=True)

    @router.get("/api/v1/submissions/{submission_id}/receipt")
    def receipt(submission_id: str, student: Student) -> Response:
        """The receipt as signed: one line, a JWS in compact form."""
        with database.reading() as connection:
            row = views.version(connection, submission_id, student.person_ref)
        headers = {"content-disposition": f'attachment; filename="{_name_of(row)}.jws"'}
        return Response(row.receipt + "\n", media_type="application/jose", headers=headers)

    @router.get("/api/v1/submissions/{submission_id}/ruling")
    def ruling(submission_id: str, student: Student) -> Response:
        """The signed ruling that corrected last what the receipt says of lateness: one line, a JWS in compact form."""
        with database.reading() as connection:
            row = views.version(connection, submission_id, student.person_ref)
        in_force = verification.in_force(row.receipt_id)
        if in_force is None:
            raise NotFound("Nothing was corrected: what the receipt says of lateness holds.")
        headers = {"content-disposition": f'attachment; filename="{_name_of(row)}-ruling.jws"'}
        return Response(in_force.text + "\n", media_type="application/jose", headers=headers)

    @router.get("/api/v1/submissions/{submission_id}/receipt.pdf")
    def printed(submission_id: str, student: Student) -> Response:
        """The receipt to print, tagged for screen readers, with the signed one attached."""
        with database.reading() as connection:
            row = views.version(connection, submission_id, student.person_ref)
            assignment = catalogue.assignment(connection, row.assignment_id)
        receipt = verification.genuine(row.receipt)
        title = assignment.title if assignment else ""
        ruling = verification.in_force(row.receipt_id)
        pdf = print_receipt(Sheet(receipt=receipt, ruling=ruling, file_name=row.file_name, assignment_title=title))
        headers = {"content-disposition": f'inline; filename="{_name_of(row)}.pdf"'}
        return Response(pdf, media_type="application/pdf", headers=headers)

    return router


def _name_of(version: Any) -> str:  # noqa: ANN401 - a row
    return f"receipt-{version.assignment_id}-v{version.version}"


def attempt_of(
    request: Request, assignment_id: str, student: Principal, *, key: str, channel: Channel, database: Database
) -> Attempt:
    """The attempt that a request makes."""
    length = request.headers.get("content-length", "")
    return Attempt(
        assignment_id=assignment_id,
        person_ref=student.person_ref,
        submitted_by=student.person_ref,
        channel=channel,
        idempotency_key=key,
        started_at=database.clock.now(),
        announced_bytes=int(length) if length.isdecimal() else None,
        correlation_id=request.state.correlation_id,
    )


async def receive(request: Request, hand_in: HandIn, attempt: Attempt) -> tuple[Accepted, dict[str, str]]:
    """Read the body as it comes and hand it in; the result, and the form's other fields.

    At most half a megabyte of the file is in memory at a time, and no file is written on the event loop.
    """
    lift_body_limit(request)
    assignment = await run_in_threadpool(hand_in.admit, attempt)
    intake = hand_in.incoming(attempt, assignment)
    incoming = await run_in_threadpool(intake.__enter__)
    try:
        fields = await _read(request, incoming)
        accepted = await run_in_threadpool(hand_in.complete, attempt, incoming)
    except BaseException as error:
        await run_in_threadpool(intake.__exit__, type(error), error, error.__traceback__)
        raise
    await run_in_threadpool(intake.__exit__, None, None, None)
    return accepted, fields


async def _read(request: Request, incoming: Incoming) -> dict[str, str]:
    pending: list[bytes] = []
    form = MultipartFile(request.headers.get("content-type", ""), on_name=incoming.take_name, on_bytes=pending.append)
    try:
        async for chunk in request.stream():
            form.feed(chunk)
            if sum(map(len, pending)) >= BUFFER_BYTES:
                await run_in_threadpool(_flush, pending, incoming)
    except ClientDisconnect as error:
        raise BadUpload("The connection was lost before the end. Nothing was handed in.") from error
    form.close()
    await run_in_threadpool(_flush, pending, incoming)
    return form.fields


def _flush(pending: list[bytes], incoming: Incoming) -> None:
    incoming.write(b"".join(pending))
    pending.clear()
