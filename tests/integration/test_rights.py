"""The table of rights, row by row: who is turned away at which route, and that another's things are not there."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from services.identity.grants.domain import Grant
from services.intake.catalogue import take_in
from services.submission.catalogue.university import StaffEntry, StudentEntry, University
from shared.looks import looks_at
from shared.web.app import routes_of
from shared.web.rights import PEOPLE, PUBLIC, RIGHTS, Relation, Role
from tests.support.university import ANN, BEN, OPERATOR, OTHER_TUTOR, TMA, TUTOR, Town, running_town, time_today

STRANGER, ALL_ROLES = "P7777777", "00000077"
EXAMPLES = {"service": "marking", "letter_id": "1", "session_id": "s", "reference": "x", "delivery_id": "d"}
"""What stands in an address where nobody gets as far as looking for it."""

ASKED = {"day": str(time_today() + timedelta(days=25)), "reason": "other"}
ABOUT = {"assignment": TMA, "filename": "answer.pdf"}
TUS = {
    "tus-resumable": "1.0.0",
    "upload-length": "3",
    "upload-offset": "0",
    "upload-metadata": ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in ABOUT.items()),
}
SENT: dict[str, dict[str, Any]] = {
    "POST /api/v1/uploads": {"headers": TUS},
    "HEAD /api/v1/uploads/{upload_id}": {"headers": TUS},
    "PATCH /api/v1/uploads/{upload_id}": {
        "headers": {**TUS, "content-type": "application/offset+octet-stream"},
        "content": b"abc",
    },
    "POST /api/v1/uploads/{upload_id}": {"headers": {**TUS, "x-http-method-override": "DELETE"}},
    "DELETE /api/v1/uploads/{upload_id}": {"headers": TUS},
    "POST /tutor/later-versions/{submission_id}": {"data": {"choice": "keep"}},
    "POST /api/v1/later-versions/{submission_id}/answer": {"json": {"choice": "keep"}},
    "POST /requests/{request_id}": {"data": {"move": "withdraw", "revision": "1"}},
    "POST /api/v1/requests/{request_id}/answers": {"json": {"move": "withdraw", "revision": 1}},
    "POST /api/v1/assignments/{assignment_id}/requests": {"json": ASKED},
    "PUT /api/v1/preferences": {"json": {"way": "daily"}},
}
"""What a request must carry to be understood."""

NOT_IN_ONE_PROCESS = ("/internal/v1/facts", "/internal/v1/status", "/internal/v1/dead-letters", "/internal/v1/persons")

OF_EVERY_SERVICE = {"GET /healthz", "GET /readyz", "GET /favicon.ico", "GET /accessibility"}

GUARDED = [route for route, rights in RIGHTS.items() if rights is not PUBLIC]
DENIED = [(route, role) for route in GUARDED for role in PEOPLE if role not in (RIGHTS[route] or {})]
REACHED = [
    (route, role, relation)
    for route in GUARDED
    for role, relation in (RIGHTS[route] or {}).items()
    if relation is not Relation.ALL and "{" in route
]


@dataclass(frozen=True)
class Place:
    """A town in which Ann has handed in, and somebody of the staff has every role."""

    town: Town
    submission_id: str
    work_id: str
    upload_id: str
    request_id: str

    def address(self, route: str) -> tuple[str, str]:
        """Method and address, of Ann's things where it is about some."""
        method, path = route.split(" ")
        anns = {
            "submission_id": self.submission_id,
            "work_id": self.work_id,
            "upload_id": self.upload_id,
            "request_id": self.request_id,
            "assignment_id": TMA,
            "person_ref": self.ref(ANN),
        }
        for name, value in {**EXAMPLES, **anns}.items():
            path = path.replace("{" + name + "}", value)
        return method, path

    def ask(self, route: str, headers: dict[str, str], **query: str) -> tuple[int, str]:
        """The status and the code of the problem, as a program sees them; HEAD has no words."""
        method, path = self.address(route)
        sent = SENT.get(route, {})
        answer = self.town.client.request(
            method,
            path,
            params=query,
            **{**sent, "headers": {"accept": "application/json", **sent.get("headers", {}), **headers}},
        )
        return answer.status_code, "" if method == "HEAD" else answer.json().get("code", "")

    def token(self, role: str) -> dict[str, str]:
        """Of somebody who has nothing to do with Ann's work."""
        return self.town.token(role, STRANGER if role == Role.STUDENT else ALL_ROLES)

    def ref(self, identifier: str) -> str:
        identity = self.town.system.identity
        with identity.database.reading() as connection:
            return identity.role_views.person(connection, identifier).person_ref

    def give(self, identifier: str, role: str, scope: str) -> None:
        grant = Grant(person_ref=self.ref(identifier), role=role, scope=scope)
        self.town.system.identity.roles.give(grant, actor="admin:test")

    def hand_in_for(self, student: str, *, key: str) -> tuple[int, dict[str, str]]:
        """By the proxy; always the same file."""
        answer = self.town.client.post(
            f"/api/v1/assignments/{TMA}/submissions",
            params={"student": self.ref(student)},
            files={"file": ("answer.pdf", b"%PDF-1.4\nby a proxy\n", "application/pdf")},
            headers={**self.token("proxy"), "idempotency-key": key},
        )
        return answer.status_code, answer.json()

    def looks(self) -> set[tuple[str, str, object]]:
        """Service, actor and what was looked at, of Ann's data."""
        found = set()
        for service in self.town.system.services:
            with service.database.reading() as connection:
                found |= {(service.name, str(row["actor"]), row["what"]) for row in looks_at(connection, self.ref(ANN))}
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_town(tmp_path_factory.mktemp("town")) as town:
        roles = [str(role) for role in PEOPLE if role is not Role.STUDENT]
        staff = StaffEntry.model_validate({"staff_number": ALL_ROLES, "name": "Sam", "roles": roles})
        take_in(town.system, University(students=(StudentEntry(personal_id=STRANGER, name="Zoe"),), staff=(staff,)))
        receipt = town.hand_in(ANN).json()
        town.settle()
        begun = town.client.post("/api/v1/uploads", headers={**TUS, **town.token("student", ANN)})
        upload_id = begun.headers["location"].rpartition("/")[-1]
        asked = town.client.post(
            f"/api/v1/assignments/{TMA}/requests", json=ASKED, headers=town.token("student", ANN)
        ).json()
        yield Place(town, receipt["submission_id"], receipt["work_id"], upload_id, asked["request_id"])


def test_every_route_has_a_row_and_every_row_a_route(place: Place) -> None:
    services = place.town.system.services
    served = {route for service in services for router in service.routers for route in routes_of(router)}
    elsewhere = {route for route in RIGHTS if route.split(" ")[1].startswith(NOT_IN_ONE_PROCESS)}
    elsewhere |= {"GET /sign-in/university", "GET /sign-in/return", "POST /sign-in/role"}  # where a provider is set
    assert served | elsewhere | OF_EVERY_SERVICE == set(RIGHTS)


@pytest.mark.parametrize("route", GUARDED)
def test_who_is_not_signed_in_is_turned_away(place: Place, route: str) -> None:
    method, path = place.address(route)
    answer = place.town.client.request(method, path)
    if path.startswith(NOT_IN_ONE_PROCESS):
        assert answer.status_code == 404
    elif path.startswith(("/api/", "/internal/")):
        assert answer.status_code == 401
        assert method == "HEAD" or answer.json()["code"] == "unauthenticated"
    else:
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize(
    ("route", "role"), [each for each in DENIED if not each[0].split(" ")[1].startswith(NOT_IN_ONE_PROCESS)]
)
def test_a_role_that_is_not_named_is_turned_away(place: Place, route: str, role: Role) -> None:
    assert place.ask(route, place.token(role)) == (403, said(route, "forbidden"))


@pytest.mark.parametrize(("route", "role", "relation"), REACHED)
def test_what_is_out_of_reach_is_not_there(place: Place, route: str, role: Role, relation: Relation) -> None:
    who = place.token(role)
    if relation is Relation.SCOPE:
        place.give(OTHER_TUTOR, role, "presentation:OTHER-26J")
        who = place.town.token(role, OTHER_TUTOR)
    answer = place.ask(route, {**who, "idempotency-key": "of-a-stranger"}, key="of-a-stranger", student=place.ref(ANN))
    if route == "GET /api/v1/students/{person_ref}/submissions":
        assert answer == (200, "")
        seen = place.town.client.get(place.address(route)[1], headers=who).json()
        assert seen == {"submissions": []}
    else:
        assert answer == (404, said(route, "not_found"))


def said(route: str, code: str) -> str:
    """The code of a problem, where an answer has words."""
    return "" if route.startswith("HEAD ") else code


def test_a_proxy_hands_in_for_a_student_and_both_names_are_recorded(place: Place) -> None:
    status, receipt = place.hand_in_for(BEN, key="for-ben")
    assert status == 201, receipt
    (row,) = [row for row in place.town.rows("submission", "versions") if row["person_ref"] == place.ref(BEN)]
    assert row["submitted_by"] == place.ref(ALL_ROLES)
    address = f"/api/v1/submissions/{receipt['submission_id']}/receipt"
    for role, person in (("proxy", ALL_ROLES), ("student", BEN)):
        assert place.town.get(address, role, person).status_code == 200
    (fact,) = [
        row
        for row in place.town.rows("submission", "outbox")
        if "SubmissionReceived" in str(row["type"]) and receipt["submission_id"] in str(row["value"])
    ]
    assert fact["actor"] == f"proxy:{place.ref(ALL_ROLES)}"


def test_a_proxy_must_say_for_whom(place: Place) -> None:
    answer = place.ask(
        "POST /api/v1/assignments/{assignment_id}/submissions", {**place.token("proxy"), "idempotency-key": "for-whom"}
    )
    assert answer == (400, "student_missing")


def test_a_key_that_a_proxy_used_for_one_student_is_not_anothers_receipt(place: Place) -> None:
    assert place.hand_in_for(ANN, key="one-for-two")[0] == 201
    status, problem = place.hand_in_for(BEN, key="one-for-two")
    assert (status, problem["code"]) == (422, "idempotency_key_reused")


def test_a_scope_of_one_person_reaches_that_person(place: Place) -> None:
    of_ann = f"/api/v1/students/{place.ref(ANN)}/submissions"
    for who, whom in ((TUTOR, ANN), (OPERATOR, BEN)):
        place.give(who, "support", f"person:{place.ref(whom)}")
        seen = place.town.client.get(of_ann, headers=place.town.token("support", who)).json()["submissions"]
        assert (seen != []) == (whom == ANN)


def test_who_helps_a_student_finds_them_by_the_whole_number_and_every_look_is_recorded(place: Place) -> None:
    found = place.town.get(f"/api/v1/people?number={ANN}", "support", ALL_ROLES)
    assert found.json() == {"person_ref": place.ref(ANN), "name": "Ann", "identifier": ANN}
    assert place.town.get(f"/api/v1/people?number={ANN[:-1]}", "support", ALL_ROLES).status_code == 404
    seen = place.town.get(f"/api/v1/students/{place.ref(ANN)}/submissions", "support", ALL_ROLES).json()
    assert place.submission_id in {row["submission_id"] for row in seen["submissions"]}
    receipt = place.town.get(f"/api/v1/submissions/{place.submission_id}/receipt", "support", ALL_ROLES)
    assert receipt.status_code == 200
    who = f"support:{place.ref(ALL_ROLES)}"
    assert {
        ("identity", who, "name"),
        ("submission", who, "submissions"),
        ("submission", who, "receipt"),
    } <= place.looks()
