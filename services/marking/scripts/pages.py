"""The tutor's pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.marking.later_versions.views import QuestionViews
from services.marking.scripts.api import download
from services.marking.scripts.handlers import Collecting
from services.marking.scripts.views import ScriptViews
from shared.clock import LONDON
from shared.database import Database
from shared.storage.port import ObjectStore
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form


def routes(
    collecting: Collecting,
    views: ScriptViews,
    questions: QuestionViews,
    database: Database,
    objects: ObjectStore,
    pages: Pages,
) -> APIRouter:
    """The work list, a script, and its download."""
    router = APIRouter(prefix="/tutor", include_in_schema=False)

    @router.get("")
    def work_list(request: Request, tutor: SignedIn, after: Annotated[str, Query(max_length=200)] = "") -> Response:
        with database.reading() as connection:
            scripts = views.of_tutor(connection, tutor.person_ref, after=after)
            assignments = views.by_assignment(connection, tutor.person_ref)
            asked = questions.count(connection, tutor.person_ref)
        more = f"{scripts[-1].assignment_id}/{scripts[-1].work_id}" if views.is_full(scripts) else None
        today = database.clock.now().astimezone(LONDON).date()
        return pages.render(
            request,
            "marking/work_list.html",
            scripts=scripts,
            assignments=assignments,
            asked=asked,
            more=more,
            today=today,
            working_days=views.turnaround.working_days,
        )

    @router.get("/scripts/{work_id}")
    def script(request: Request, work_id: str, tutor: SignedIn) -> Response:
        with database.reading() as connection:
            line = views.script(connection, work_id, tutor.person_ref)
            versions = views.versions(connection, work_id)
            asked = questions.states_of(connection, work_id)
        return pages.render(
            request,
            "marking/script.html",
            script=line,
            versions=versions,
            asked=asked,
            only_clean=collecting.only_clean,
        )

    @router.post("/scripts/{work_id}/collect")
    def collect(request: Request, work_id: str, tutor: SignedIn, csrf_token: Annotated[str, Form()] = "") -> Response:
        check_form(request, tutor, csrf_token)
        collecting.collect(work_id, tutor.person_ref, correlation_id=request.state.correlation_id)
        return RedirectResponse(f"/tutor/scripts/{work_id}/file", status_code=303)

    @router.get("/scripts/{work_id}/file")
    def file(work_id: str, tutor: SignedIn) -> Response:
        return download(collecting.content(work_id, tutor.person_ref), objects)

    return router
