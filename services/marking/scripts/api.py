"""A tutor's scripts, for programs."""

from __future__ import annotations

import base64
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from services.marking.allocation.domain import ScriptState
from services.marking.malware.domain import Check
from services.marking.scripts.handlers import Collecting
from services.marking.scripts.views import Content, ScriptViews
from shared.database import Database
from shared.storage.port import ObjectStore
from shared.web.openapi import content, failures
from shared.web.sessions import SignedIn, check_form


class ScriptOut(BaseModel):
    """A script of the tutor's; `student` is null where marking is anonymous.

    `due_back` is the last day to give it back marked; null while its assignment is unknown here.
    `check` is how far the version is with the search for malware; null where there is none.
    `collected_at` is of the last collection: of an earlier version, when a later one was taken and is to be collected.
    """

    model_config = ConfigDict(from_attributes=True)

    work_id: str
    assignment_id: str
    title: str
    student: str | None
    state: ScriptState
    version: int
    state_since: datetime
    collected_at: datetime | None
    due_back: date | None
    check: Check | None


class ScriptsOut(BaseModel):
    """A page; `next_after` asks for the next one and is null at the end."""

    scripts: list[ScriptOut]
    next_after: str | None


class CollectedOut(BaseModel):
    """The frozen version's content and where to fetch it."""

    content_url: str
    file_name: str
    size_bytes: int
    sha256: str


def routes(collecting: Collecting, views: ScriptViews, database: Database, objects: ObjectStore) -> APIRouter:
    """The JSON routes of a tutor's scripts."""
    router = APIRouter(prefix="/api/v1/scripts", tags=["marking"])

    @router.get("")
    def scripts(
        tutor: SignedIn, state: ScriptState | None = None, after: Annotated[str, Query(max_length=200)] = ""
    ) -> ScriptsOut:
        """The tutor's scripts, by assignment."""
        with database.reading() as connection:
            lines = views.of_tutor(connection, tutor.person_ref, after=after, state=state)
        last = f"{lines[-1].assignment_id}/{lines[-1].work_id}" if lines else None
        return ScriptsOut(scripts=[ScriptOut.model_validate(line) for line in lines], next_after=last)

    @router.post("/{work_id}/collection", responses=failures(404))
    def collect(request: Request, work_id: str, tutor: SignedIn) -> CollectedOut:
        """Freeze the version that will be marked; collecting again only answers.

        409 while the version is being checked for malware, and when some was found.
        """
        check_form(request, tutor, request.headers.get("x-csrf-token"))
        content = collecting.collect(work_id, tutor.person_ref, correlation_id=request.state.correlation_id)
        return CollectedOut(
            content_url=f"/api/v1/scripts/{work_id}/content",
            file_name=content.file_name,
            size_bytes=content.size_bytes,
            sha256=content.sha256,
        )

    @router.get("/{work_id}/content", response_class=Response, responses=content("*/*") | failures(404, 409))
    def frozen(work_id: str, tutor: SignedIn) -> StreamingResponse:
        """The frozen version's bytes; 409 before collection."""
        return download(collecting.content(work_id, tutor.person_ref), objects)

    return router


def download(found: Content, objects: ObjectStore) -> StreamingResponse:
    """The bytes as a file, with their hash (RFC 9530)."""
    digest = base64.b64encode(bytes.fromhex(found.sha256)).decode()
    headers = {
        "content-disposition": f'attachment; filename="{found.file_name}"',
        "content-length": str(found.size_bytes),
        "repr-digest": f"sha-256=:{digest}:",
    }
    return StreamingResponse(
        objects.read(found.object_key, found.object_version), media_type=found.media_type, headers=headers
    )
