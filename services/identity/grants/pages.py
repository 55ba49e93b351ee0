"""The pages on which administrators give and withdraw roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.identity.grants.domain import GRANTED, BadGrant, Grant, end_of
from services.identity.grants.handlers import RoleDesk
from services.identity.grants.views import GrantViews
from shared.errors import Conflict, Rejected
from shared.web.pages import Pages
from shared.web.scopes import EVERYTHING, BadScope
from shared.web.sessions import SignedIn, check_form

Field = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True)
class Typed:
    """What stands in the form that gives a role; `until` is a day or nothing."""

    role: str = ""
    scope: str = EVERYTHING
    until: str = ""


class RolePages:
    """What the routes share."""

    def __init__(self, desk: RoleDesk, views: GrantViews, pages: Pages) -> None:
        self.desk = desk
        self.views = views
        self.pages = pages

    def list(self, request: Request, search: str) -> Response:
        """People to choose from."""
        with self.desk.database.reading() as connection:
            people = self.views.people(connection, search)
        return self.pages.render(request, "identity/roles.html", people=people, search=search)

    def person(
        self, request: Request, person_ref: str, problem: Rejected | None = None, typed: Typed | None = None
    ) -> Response:
        """One person's roles, and the form with what was typed before."""
        with self.desk.database.reading() as connection:
            person = self.views.person(connection, person_ref)
            grants = self.views.grants(connection, person.person_ref, now=self.desk.database.clock.now())
        return self.pages.render(
            request,
            "identity/roles_of.html",
            status_code=problem.status if problem else 200,
            person=person,
            grants=grants,
            roles=GRANTED,
            problem=problem.detail if problem else None,
            wrong=_wrong_field(problem),
            typed=typed or Typed(),
        )


def _wrong_field(problem: Rejected | None) -> str:
    """The field that has the problem; empty where it is none of a field."""
    if isinstance(problem, BadScope):
        return "scope"
    return problem.field if isinstance(problem, BadGrant) else ""


def routes(parts: RolePages) -> APIRouter:
    """`/roles`."""
    router = APIRouter(prefix="/roles", include_in_schema=False)

    @router.get("")
    def search(request: Request, q: Annotated[str, Query(max_length=200)] = "") -> Response:
        return parts.list(request, q)

    @router.get("/{person_ref}")
    def person(request: Request, person_ref: str) -> Response:
        return parts.person(request, person_ref)

    @router.post("/{person_ref}/give")
    def give(
        request: Request,
        person_ref: str,
        admin: SignedIn,
        role: Field,
        scope: Field = "*",
        until: Field = "",
        csrf_token: Field = "",
    ) -> Response:
        check_form(request, admin, csrf_token)
        try:
            grant = Grant(person_ref=person_ref, role=role, scope=scope, valid_until=end_of(until))
            parts.desk.give(grant, actor=admin.actor)
        except (BadGrant, BadScope) as problem:
            return parts.person(request, person_ref, problem, Typed(role, scope, until))
        return RedirectResponse(f"/roles/{person_ref}", status_code=303)

    @router.post("/{person_ref}/withdraw")
    def withdraw(
        request: Request, person_ref: str, admin: SignedIn, grant_id: Field, csrf_token: Field = ""
    ) -> Response:
        check_form(request, admin, csrf_token)
        try:
            parts.desk.withdraw(grant_id, actor=admin.actor)
        except Conflict as problem:
            return parts.person(request, person_ref, problem)
        return RedirectResponse(f"/roles/{person_ref}", status_code=303)

    return router
