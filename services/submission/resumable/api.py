"""Uploads over HTTP: tus 1.0.0 with creation, creation-with-upload, termination, expiration and checksum.

tus carries bytes; what they amount to is asked for (`GET`) and handed in (`POST …/confirm`) beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.submission.resumable.domain import (
    ALGORITHMS,
    STALL_SECONDS,
    BadHeader,
    Checksum,
    CutOffConnection,
    State,
    Upload,
    WrongContentType,
    WrongProtocol,
    checksum_in,
    number_in,
)
from services.submission.resumable.handlers import Creation, Uploads
from services.submission.resumable.reception import Reception
from services.submission.submissions.api import ReceiptOut
from shared.contracts import Channel
from shared.web.envelope import add_headers, lift_body_limit
from shared.web.openapi import failures
from shared.web.sessions import SAFE_METHODS, SignedIn, check_form
from shared.web.tokens import Principal

ADDRESS = "/api/v1/uploads"
VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration,checksum"
LARGEST_BYTES = 1024 * 1024 * 1024
"""No assignment takes more."""

CONTENT_TYPE = "application/offset+octet-stream"
METHODS = ["GET", "HEAD", "PATCH", "POST", "DELETE"]
STORING = 8
"""Pieces of a process that are stored at a time."""


class RefusalOut(BaseModel):
    """Why a file was not taken."""

    reason: str
    detail: str


class UploadOut(BaseModel):
    """How an upload stands. `ready` waits to be confirmed, until `confirm_by`; times in UTC."""

    upload_id: str
    assignment_id: str
    state: State
    file_name: str
    length: int
    offset: int
    started_at: datetime
    arrived_at: datetime | None
    confirm_by: datetime | None
    sha256: str | None
    media_type: str | None
    submission_id: str | None
    refusal: RefusalOut | None


def routes(uploads: Uploads) -> APIRouter:
    """What tus does not speak of: handing in what was uploaded."""
    router = APIRouter()

    @router.post(
        ADDRESS + "/{upload_id}/confirm",
        status_code=201,
        tags=["submission"],
        responses=failures(404, 409, 410, 413, 415),
    )
    def confirm(request: Request, upload_id: str, student: SignedIn) -> ReceiptOut:
        """Hand in what was uploaded, within 24 hours. Repeated, it gives the same receipt."""
        check_form(request, student, request.headers.get("x-csrf-token"))
        return ReceiptOut.model_validate(uploads.confirm(upload_id, student.person_ref), from_attributes=True)

    return router


def tus_routes(uploads: Uploads) -> APIRouter:
    """The routes of tus."""
    receiving = _Receiving(uploads)
    router = APIRouter(
        prefix=ADDRESS, route_class=_TusRoute, dependencies=[Depends(_demand_tus)], include_in_schema=False
    )

    @router.options("")
    @router.options("/{upload_id}")
    def options() -> Response:
        said = {
            "tus-version": VERSION,
            "tus-extension": EXTENSIONS,
            "tus-max-size": str(LARGEST_BYTES),
            "tus-checksum-algorithm": ",".join(ALGORITHMS),
        }
        return Response(status_code=204, headers=said)

    @router.post("")
    async def create(request: Request, student: SignedIn) -> Response:
        _check_origin(request, student)
        return await receiving.create(request, student)

    @router.api_route("/{upload_id}", methods=METHODS)
    async def resource(request: Request, upload_id: str, student: SignedIn) -> Response:
        _check_origin(request, student)
        match _method_of(request):
            case "PATCH":
                return await receiving.patch(request, upload_id, student)
            case "HEAD":
                return _as_tus(await run_in_threadpool(uploads.not_over, upload_id, student.person_ref))
            case "DELETE":
                await run_in_threadpool(uploads.terminate, upload_id, student.person_ref)
                return Response(status_code=204)
            case "GET":
                upload = await run_in_threadpool(uploads.own, upload_id, student.person_ref)
                return JSONResponse(_out(upload).model_dump(mode="json"))
        raise HTTPException(405)

    return router


def _method_of(request: Request) -> str:
    """What the request is, whatever it had to be sent as."""
    return request.headers.get("x-http-method-override", request.method).upper()


class _TusRoute(APIRoute):
    """Every answer says which version is spoken, also one to somebody who may not ask."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def speaking(request: Request) -> Response:
            add_headers(request, {"tus-resumable": VERSION})
            return await handle(request)

        return speaking


def _demand_tus(request: Request) -> None:
    """Every request but OPTIONS and GET has to say which version it speaks."""
    if _method_of(request) in {"OPTIONS", "GET"} or request.headers.get("tus-resumable") == VERSION:
        return
    add_headers(request, {"tus-version": VERSION})
    raise WrongProtocol(f"Send the header Tus-Resumable: {VERSION}; no other version is spoken here.")


def _check_origin(request: Request, student: Principal) -> None:
    """What a browser sends of its own accord changes nothing."""
    if not {_method_of(request), request.method} <= SAFE_METHODS:
        check_form(request, student, request.headers.get("x-csrf-token"))


class _Receiving:
    """The requests that bring bytes.

    Whoever waits for the store holds none of the threads that answer everybody: of pieces that are full while more
    bytes come, so many are stored at a time, and the others wait in their files.
    """

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads
        self.storing = CapacityLimiter(STORING)

    async def create(self, request: Request, student: Principal) -> Response:
        for name in ("upload-defer-length", "upload-concat"):
            if name in request.headers:
                raise BadHeader(f"{name} is not offered here. Announce the whole file by Upload-Length.")
        has_body = _announced(request) > 0 or "transfer-encoding" in request.headers
        checksum = _checksum_of(request) if has_body else None
        creation = Creation(
            person_ref=student.person_ref,
            channel=Channel.API if student.bearer else Channel.WEB,
            length=number_in(request.headers, "upload-length"),
            metadata=request.headers.get("upload-metadata", ""),
            correlation_id=request.state.correlation_id,
        )
        upload = await run_in_threadpool(self.uploads.create, creation)
        add_headers(request, {"location": f"{ADDRESS}/{upload.upload_id}", "upload-expires": _expires(upload)})
        if not has_body:
            return Response(status_code=201)
        return await self._receive(request, upload.upload_id, student, offset=0, checksum=checksum, status=201)

    async def patch(self, request: Request, upload_id: str, student: Principal) -> Response:
        checksum = _checksum_of(request)
        offset = number_in(request.headers, "upload-offset")
        return await self._receive(request, upload_id, student, offset=offset, checksum=checksum, status=204)

    async def _receive(
        self,
        request: Request,
        upload_id: str,
        student: Principal,
        *,
        offset: int,
        checksum: Checksum | None,
        status: int,
    ) -> Response:
        """Let it write, then read the body piece by piece; nothing is read before it may."""
        reception = await run_in_threadpool(
            self.uploads.receive,
            upload_id,
            student.person_ref,
            offset=offset,
            announced_bytes=_announced(request),
            checksum=checksum,
        )
        lift_body_limit(request)
        new_offset = await self._feed(request, reception)
        upload = await run_in_threadpool(self.uploads.own, upload_id, student.person_ref)
        headers = {"upload-offset": str(new_offset)}
        return Response(status_code=status, headers=headers | _expiry_of(upload))

    async def _feed(self, request: Request, reception: Reception) -> int:
        """The offset after the body. Whatever happens, the next request is let in."""
        try:
            async for chunk in _chunks(request):
                await self._take(memoryview(chunk), reception)
            return await run_in_threadpool(reception.finish)
        except (ClientDisconnect, TimeoutError) as error:
            await run_in_threadpool(reception.break_off)
            add_headers(request, {"connection": "close"})
            raise CutOffConnection("Ask for the offset of the upload, and go on from there.") from error
        except asyncio.CancelledError:
            await run_in_threadpool(reception.break_off)  # the process is to end
            raise
        except BaseException:
            await run_in_threadpool(reception.abandon)
            raise

    async def _take(self, left: memoryview, reception: Reception) -> None:
        while left:
            if reception.is_full:
                await to_thread.run_sync(reception.store, limiter=self.storing)
            left = left[reception.take(left) :]
        if reception.is_due:
            await run_in_threadpool(reception.renew)


def _checksum_of(request: Request) -> Checksum | None:
    """What the body has to hash to; raises `WrongContentType` and `BadHeader`."""
    if request.headers.get("content-type") != CONTENT_TYPE:
        raise WrongContentType(f"Send the bytes with the header Content-Type: {CONTENT_TYPE}.")
    return checksum_in(request.headers.get("upload-checksum"))


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes; raises `TimeoutError` when nothing comes for too long."""
    stream = aiter(request.stream())
    while True:
        async with asyncio.timeout(STALL_SECONDS):
            try:
                chunk = await anext(stream)
            except StopAsyncIteration:
                return
        yield chunk


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _as_tus(upload: Upload) -> Response:
    """What HEAD answers."""
    headers = {
        "upload-offset": str(upload.offset),
        "upload-length": str(upload.length),
        "cache-control": "no-store",
    }
    metadata = {"upload-metadata": upload.metadata} if upload.metadata else {}
    return Response(status_code=200, headers=headers | metadata | _expiry_of(upload))


def _expiry_of(upload: Upload) -> dict[str, str]:
    return {"upload-expires": _expires(upload)} if upload.state is State.RECEIVING else {}


def _expires(upload: Upload) -> str:
    return format_datetime(upload.expires_at, usegmt=True)


def _out(upload: Upload) -> UploadOut:
    names = UploadOut.model_fields.keys() - {"refusal"}
    refusal = (
        RefusalOut(reason=upload.refusal_reason, detail=upload.refusal_detail or "") if upload.refusal_reason else None
    )
    return UploadOut(**{name: getattr(upload, name) for name in names}, refusal=refusal)
