"""Handing in and receipts, for programs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from services.submission.receipts.handlers import Verification
from services.submission.receipts.printing import Sheet, print_receipt
from services.submission.submissions.domain import Attempt
from services.submission.submissions.handlers import Accepted, HandIn, Incoming, Showing
from services.submission.upload.multipart import BadUpload, MultipartFile
from shared.contracts import Band, Channel
from shared.database import Database
from shared.errors import NotFound, Rejected
from shared.web.envelope import lift_body_limit
from shared.web.openapi import content, failures, file_in_a_form
from shared.web.rights import Relation
from shared.web.sessions import Reach, SignedIn, check_form
from shared.web.tokens import Principal

BUFFER_BYTES = 512 * 1024
Reference = Annotated[str | None, Query(max_length=64)]


class KeyMissing(Rejected):
    """Without the key a retry could hand in twice."""

    code = "idempotency_key_missing"
    status = 400
    title = "The header Idempotency-Key is missing"


class StudentMissing(Rejected):
    """Who hands in for others must say for whom."""

    code = "student_missing"
    status = 400
    title = "It is not said for which student this is"


class SubmissionOut(BaseModel):
    """A version as those see it who help a student; `submitted_by` is who handed it in."""

    submission_id: str
    work_id: str
    assignment_id: str
    version: int
    person_ref: str
    submitted_by: str
    channel: str
    file_name: str
    size_bytes: int
    sha256: str
    arrived_at: datetime
    cut_off_at: datetime
    band: Band
    receipt_id: str


class SubmissionsOut(BaseModel):
    """All versions of a student's work, the latest first."""

    submissions: list[SubmissionOut]


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


def routes(hand_in: HandIn, showing: Showing, verification: Verification) -> APIRouter:
    """The JSON routes of handing in, and the receipts."""
    router = APIRouter(tags=["submission"])
    _add_handing_in(router, hand_in)
    _add_receipts(router, showing, verification)
    return router


def _add_handing_in(router: APIRouter, hand_in: HandIn) -> None:
    @router.post(
        "/api/v1/assignments/{assignment_id}/submissions",
        status_code=201,
        responses=failures(400, 404, 409, 413, 415, 507),
        openapi_extra=file_in_a_form(),
    )
    async def submit(
        request: Request,
        assignment_id: str,
        caller: SignedIn,
        reach: Reach,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
        student: Reference = None,
    ) -> ReceiptOut:
        """Hand in one file: multipart, the part named `file`. A retry with the same key gets the same receipt.

        Who hands in for a student names them by `student`, a person_ref.
        """
        if not idempotency_key:
            raise KeyMissing(
                "Send a header Idempotency-Key: a new random value for each version, the same for a retry."
            )
        check_form(request, caller, request.headers.get("x-csrf-token"))
        attempt = attempt_of(
            request, assignment_id, caller, key=idempotency_key, channel=Channel.API, database=hand_in.database
        )
        accepted, _ = await receive(request, hand_in, for_student(attempt, caller, reach, student))
        return ReceiptOut.model_validate(accepted, from_attributes=True)


def _add_receipts(router: APIRouter, showing: Showing, verification: Verification) -> None:
    @router.get(
        "/api/v1/submissions/{submission_id}/receipt",
        response_class=Response,
        responses=content("application/jose") | failures(404),
    )
    def receipt(submission_id: str, caller: SignedIn, reach: Reach) -> Response:
        """The receipt as signed: one line, a JWS in compact form."""
        row = showing.version(submission_id, caller, reach)
        headers = {"content-disposition": f'attachment; filename="{_name_of(row)}.jws"'}
        return Response(row.receipt + "\n", media_type="application/jose", headers=headers)

    @router.get(
        "/api/v1/submissions/{submission_id}/ruling",
        response_class=Response,
        responses=content("application/jose") | failures(404),
    )
    def ruling(submission_id: str, caller: SignedIn, reach: Reach) -> Response:
        """The signed ruling that corrected last what the receipt says of lateness: one line, a JWS in compact form."""
        row = showing.version(submission_id, caller, reach)
        in_force = verification.in_force(row.receipt_id)
        if in_force is None:
            raise NotFound("Nothing was corrected: what the receipt says of lateness holds.")
        headers = {"content-disposition": f'attachment; filename="{_name_of(row)}-ruling.jws"'}
        return Response(in_force.text + "\n", media_type="application/jose", headers=headers)

    @router.get(
        "/api/v1/submissions/{submission_id}/receipt.pdf",
        response_class=Response,
        responses=content("application/pdf") | failures(404),
    )
    def printed(submission_id: str, caller: SignedIn, reach: Reach) -> Response:
        """The receipt to print, tagged for screen readers, with the signed one attached."""
        row = showing.version(submission_id, caller, reach)
        title = showing.title_of(row.assignment_id)
        receipt = verification.genuine(row.receipt)
        ruling = verification.in_force(row.receipt_id)
        pdf = print_receipt(Sheet(receipt=receipt, ruling=ruling, file_name=row.file_name, assignment_title=title))
        headers = {"content-disposition": f'inline; filename="{_name_of(row)}.pdf"'}
        return Response(pdf, media_type="application/pdf", headers=headers)

    @router.get("/api/v1/students/{person_ref}/submissions")
    def submissions(person_ref: str, caller: SignedIn) -> SubmissionsOut:
        """What a student has handed in, the latest first; that somebody looked is recorded."""
        rows = showing.versions(person_ref, caller)
        return SubmissionsOut(submissions=[SubmissionOut.model_validate(row, from_attributes=True) for row in rows])


def for_student(attempt: Attempt, caller: Principal, reach: Relation, student: str | None) -> Attempt:
    """The attempt as one for a student, when the caller hands in for others; raises `StudentMissing`."""
    if reach is Relation.OWN:
        return attempt
    if student is None:
        raise StudentMissing("Say for whom you hand in: add ?student= and the student's reference.")
    return replace(attempt, person_ref=student, scopes=caller.scopes)


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
        role=student.role,
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
