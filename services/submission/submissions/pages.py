"""The student's pages."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from services.submission.catalogue.views import CatalogueViews
from services.submission.submissions.api import attempt_of, receive
from services.submission.submissions.domain import KeyReused, Refused, closed, standings, summary_of
from services.submission.submissions.handlers import HandIn
from services.submission.submissions.views import SubmissionViews
from services.submission.upload.multipart import BadUpload
from shared.contracts import Channel, work_id_of
from shared.database import Database
from shared.errors import NotFound
from shared.web.pages import Pages
from shared.web.sessions import SignedIn, check_form, quiet_principal_of
from shared.web.tokens import Principal

USED_BEFORE = (
    "This page was used before to hand in another file, for which you hold a receipt. If this file is to be a new "
    "version, choose it again here and hand it in."
)
START = {"student": "/work", "tutor": "/tutor", "support": "/requests", "operations": "/operations", "admin": "/roles"}
"""Where somebody begins, by their role; who has no pages of their own, at their messages."""


class Uploaded(Protocol):
    """Knows what is uploaded and not handed in."""

    def waiting(self, connection: sa.Connection, assignment_id: str, person_ref: str) -> Sequence[Any]:
        """What a person has uploaded for an assignment."""
        ...

    def waiting_works(self, connection: sa.Connection, work_ids: Sequence[str]) -> Collection[str]:
        """Those of these works for which there is something."""
        ...


class Checks(Protocol):
    """Knows how far versions are with the search for malware, by submission; each has `words`."""

    def __call__(self, connection: sa.Connection, submission_ids: Sequence[str], /) -> Mapping[str, Any]: ...


class StudentPages:
    """What the routes share."""

    def __init__(
        self,
        *,
        hand_in: HandIn,
        catalogue: CatalogueViews,
        views: SubmissionViews,
        uploaded: Uploaded,
        checks: Checks,
        database: Database,
        pages: Pages,
    ) -> None:
        self.hand_in = hand_in
        self.catalogue = catalogue
        self.views = views
        self.uploaded = uploaded
        self.checks = checks
        self.database = database
        self.pages = pages

    def home(self, request: Request, student: Principal) -> Response:
        """All modules' assignments with the state of the own work."""
        with self.database.reading() as connection:
            assignments = self.catalogue.assignments_of(connection, student.person_ref)
            versions = self.views.versions_of(connection, student.person_ref)
            ids = {each.assignment_id: work_id_of(each.assignment_id, student.person_ref) for each in assignments}
            waiting = self.uploaded.waiting_works(connection, list(ids.values()))
            deadlines = self.hand_in.deadlines.of_works(
                connection, {ids[each.assignment_id]: each for each in assignments}
            )
        of_assignment: dict[str, list[Any]] = defaultdict(list)
        for version in versions:
            of_assignment[version.assignment_id].append(version)
        works = {assignment_id: summary_of(mine) for assignment_id, mine in of_assignment.items()}
        return self.pages.render(
            request,
            "submission/work.html",
            assignments=assignments,
            cut_offs={each: deadlines[work_id].cut_off.cut_off_at for each, work_id in ids.items()},
            works=works,
            uploaded={assignment_id for assignment_id, work_id in ids.items() if work_id in waiting},
            standings={each: how for mine in of_assignment.values() for each, how in standings(mine).items()},
            now=self.now(),
        )

    def assignment(self, request: Request, assignment_id: str, student: Principal, **problem: Any) -> Response:  # noqa: ANN401
        """The rules, the versions so far, and the form."""
        with self.database.reading() as connection:
            assignment = self.catalogue.assignment(connection, assignment_id)
            if assignment is None or not self.catalogue.is_enrolled(
                connection, assignment.presentation_id, student.person_ref
            ):
                raise NotFound("There is no such assignment among your modules.")
            versions = [
                version
                for version in self.views.versions_of(connection, student.person_ref)
                if version.assignment_id == assignment_id
            ]
            work_id = work_id_of(assignment_id, student.person_ref)
            used = self.hand_in.store.used(work_id, connection)
            deadline = self.hand_in.deadlines.of(connection, assignment, work_id)
            waiting = self.uploaded.waiting(connection, assignment_id, student.person_ref)
            checks = self.checks(connection, [version.submission_id for version in versions])
        return self.pages.render(
            request,
            "submission/assignment.html",
            status_code=problem.get("status", 200),
            assignment=assignment,
            versions=versions,
            waiting=waiting,
            standings=standings(versions),
            checks=checks,
            key=str(uuid.uuid4()),
            problem=problem.get("detail"),
            closed=closed(assignment, deadline, self.hand_in.quota, used, now=self.now()),
            cut_off=deadline.cut_off,
            protected_until=deadline.protected_until,
            quota=self.hand_in.quota,
            used=used,
        )

    def now(self) -> datetime:
        return self.database.clock.now()


def routes(parts: StudentPages) -> APIRouter:
    """The student's routes."""
    router = APIRouter(include_in_schema=False)
    _add_own_work(router, parts)
    _add_handing_in(router, parts)
    return router


def _add_own_work(router: APIRouter, parts: StudentPages) -> None:

    @router.get("/")
    def start(request: Request) -> Response:
        principal = quiet_principal_of(request)
        return RedirectResponse(START.get(principal.role, "/inbox") if principal else "/sign-in", status_code=303)

    @router.get("/work")
    def work(request: Request, student: SignedIn) -> Response:
        return parts.home(request, student)

    @router.get("/assignments/{assignment_id}")
    def assignment(request: Request, assignment_id: str, student: SignedIn) -> Response:
        return parts.assignment(request, assignment_id, student)


def _add_handing_in(router: APIRouter, parts: StudentPages) -> None:
    @router.post("/assignments/{assignment_id}")
    async def hand_in(
        request: Request,
        assignment_id: str,
        student: SignedIn,
        csrf_token: Annotated[str, Query()] = "",
        *,
        key: Annotated[str, Query(min_length=8, max_length=200)],
    ) -> Response:
        check_form(request, student, csrf_token)
        attempt = attempt_of(request, assignment_id, student, key=key, channel=Channel.WEB, database=parts.database)
        try:
            accepted, _ = await receive(request, parts.hand_in, attempt)
        except (Refused, BadUpload, KeyReused) as error:
            detail = USED_BEFORE if isinstance(error, KeyReused) else error.detail
            return await run_in_threadpool(
                parts.assignment, request, assignment_id, student, detail=detail, status=error.status
            )
        return RedirectResponse(f"/receipts/{accepted.submission_id}", status_code=303)

    @router.get("/receipts/{submission_id}")
    def receipt(request: Request, submission_id: str, student: SignedIn) -> Response:
        with parts.database.reading() as connection:
            version = parts.views.version(connection, submission_id, student.person_ref)
            assignment = parts.catalogue.assignment(connection, version.assignment_id)
            of_work = parts.views.versions_of_work(connection, version.work_id)
            check = parts.checks(connection, [submission_id]).get(submission_id)
        standing = standings(of_work)[submission_id]
        return parts.pages.render(
            request, "submission/receipt.html", version=version, assignment=assignment, standing=standing, check=check
        )
