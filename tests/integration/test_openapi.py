"""The OpenAPI document against the system: what it allows, and what it does not, is sent by everybody.

schemathesis makes the requests; ids of things that there are get into most of them, for what only meets "not found"
proves nothing. No answer may be one that the document does not know, a failure of ours, or about somebody out of reach;
and each route has to be got through by everybody who may use it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import httpx2 as httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks

from services.identity.grants.domain import Grant
from services.intake.catalogue import take_in
from services.submission.catalogue.university import StaffEntry, StudentEntry, University
from shared.web.limits import Limit
from shared.web.rights import PEOPLE, PUBLIC, RIGHTS, Role
from tests.support.university import ANN, BEN, PDF, TMA, TUTOR, Town, running_town, time_today, university_due
from tests.support.uploading import BYTES, PROTOCOL, metadata_of

EXAMPLES: Final = int(os.environ.get("ETMA_TEST_EXAMPLES", "12"))
"""Of each route for each role; without the variable always the same ones."""

HELPER: Final = "00000078"
"""Somebody of the staff who helps Ann alone."""

NOBODY: Final = "nobody"
load_all_checks()
CHECKED: Final = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
WHO: Final = {Role.STUDENT: ANN, Role.TUTOR: TUTOR}
SEES_ALL: Final = {Role.OPERATIONS}
ASKING: Final = "POST /api/v1/assignments/{assignment_id}/requests"
ANSWERING: Final = "POST /api/v1/requests/{request_id}/answers"
BEYOND_LUCK: Final = {(ANSWERING, Role.SUPPORT)}
"""What needs days of waiting; `test_negotiation.py` has it."""


@dataclass
class World:
    """A town in which Ann and Ben have done the same; Ann's things are known to who asks, Ben's must not be seen."""

    town: Town
    seeds: dict[str, list[str]]
    of_ben: list[str]
    schema: Any
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    statuses: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def operations(self) -> list[Any]:
        return [found.ok() for found in self.schema.get_all_operations()]

    def headers(self, role: str) -> dict[str, str]:
        if role != NOBODY and role not in self.tokens:
            self.tokens[role] = self.town.token(role, WHO.get(Role(role), HELPER))
        return self.tokens.get(role, {})


def ref_of(town: Town, identifier: str) -> str:
    identity = town.system.identity
    with identity.database.reading() as connection:
        return identity.role_views.person(connection, identifier).person_ref


def upload(town: Town, person: str, content: bytes) -> str:
    """The id of one that waits to be confirmed."""
    who = town.token("student", person)
    said = {"upload-length": str(len(content)), "upload-metadata": metadata_of(assignment=TMA, filename="a.pdf")}
    path = town.client.post("/api/v1/uploads", headers={**PROTOCOL, **said, **who}).headers["location"]
    town.client.patch(path, content=content, headers={"upload-offset": "0", **PROTOCOL, **BYTES, **who})
    return path.rpartition("/")[-1]


def live(town: Town, person: str) -> dict[str, str]:
    """Hand in, be collected, hand in again, and be ruled on anew twice; the ids of what is there then."""
    tutor = {ANN: TUTOR, BEN: "00000002"}[person]
    first = town.hand_in(person, content=PDF + person.encode()).json()
    town.settle()
    assert town.post(f"/api/v1/scripts/{first['work_id']}/collection", "tutor", tutor).status_code == 200
    second = town.hand_in(person, content=PDF + b"again " + person.encode()).json()
    town.settle()
    asked = {"day": str(time_today() + timedelta(days=25)), "reason": "other", "words": f"{person} asks"}
    who = town.token("student", person)
    request = town.client.post(f"/api/v1/assignments/{TMA}/requests", json=asked, headers=who).json()
    return {
        "request_id": request["request_id"],
        "submission_id": second["submission_id"],
        "first_submission_id": first["submission_id"],
        "receipt_id": second["receipt_id"],
        "work_id": second["work_id"],
        "upload_id": upload(town, person, PDF + b"ready " + person.encode()),
        "person_ref": ref_of(town, person),
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    unlimited = {f"limit_{limit}": "off" for limit in Limit}
    with running_town(tmp_path_factory.mktemp("town"), **unlimited) as town:
        roles = [str(role) for role in PEOPLE if role not in {Role.STUDENT, Role.SUPPORT, Role.PROXY}]
        staff = StaffEntry.model_validate({"staff_number": HELPER, "name": "Hal", "roles": roles})
        take_in(town.system, University(students=(StudentEntry(personal_id="P7777777", name="Zoe"),), staff=(staff,)))
        anns, bens = (live(town, person) for person in (ANN, BEN))
        for role in (Role.SUPPORT, Role.PROXY):
            grant = Grant(person_ref=ref_of(town, HELPER), role=role, scope=f"person:{anns['person_ref']}")
            town.system.identity.roles.give(grant, actor="admin:test")
        of_proxy = town.client.post(
            f"/api/v1/assignments/{TMA}/submissions",
            params={"student": anns["person_ref"]},
            files={"file": ("a.pdf", PDF + b"by a proxy", "application/pdf")},
            headers={**town.token("proxy", HELPER), "idempotency-key": "by-a-proxy"},
        ).json()
        town.settle()
        for days in (-30, 20):
            take_in(town.system, university_due(days=days))
            town.settle()
        schema = schemathesis.openapi.from_dict(town.client.get("/api/openapi.json").json())
        seeds = {name: [value] for name, value in anns.items()}
        seeds["submission_id"] += [anns["first_submission_id"], *[of_proxy["submission_id"]] * 4]
        seeds |= {"assignment_id": [TMA], "reference": [anns["work_id"], anns["person_ref"]], "number": [ANN]}
        seeds["student"] = [anns["person_ref"]]
        yield World(town, seeds, [*bens.values(), "ben@example.org"], schema)


def seeded(world: World, draw: Any, case: Any) -> None:
    """Put what there is into most of the places in which an id may stand; sometimes Ben's."""
    for values in (case.path_parameters, case.query):
        for name in [*values, *(name for name in ("student", "number") if name in str(case.operation.query))]:
            if name in world.seeds and draw(st.integers(0, 7)):
                values[name] = draw(st.sampled_from(world.seeds[name] * 3 + world.of_ben[:1]))

    if isinstance(case.body, dict):
        said = {"day": str(time_today() + timedelta(days=24)), "reason": "other", "revision": 1, "words": "because"}
        for name in case.body.keys() & said.keys():
            if draw(st.integers(0, 7)):
                case.body[name] = said[name]


def send(world: World, draw: Any, case: Any, role: str) -> httpx.Response:
    sent = case.as_transport_kwargs(base_url="http://testserver")
    if case.media_type == "multipart/form-data" and draw(st.integers(0, 3)):
        sent["data"] = None
        sent["files"] = {"file": ("a.pdf", PDF + draw(st.binary(max_size=8)), "application/pdf")}
        sent["headers"]["idempotency-key"] = draw(st.uuids(version=4)).hex
        sent["headers"].pop("content-type", None)
    made = requests.Request(**sent).prepare()
    given = {name: value for name, value in made.headers.items() if name.lower() not in {"authorization", "cookie"}}
    return world.town.client.request(
        made.method or "", made.url or "", content=made.body or b"", headers=given | world.headers(role)
    )


def is_out_of_reach(answer: httpx.Response, world: World, role: str) -> bool:
    """Whether it tells of Ben's things; what was asked for may be named in a failure."""
    if role in SEES_ALL or not answer.is_success:
        return False
    asked = answer.request.url.path + str(answer.request.url.query)
    return any(name in answer.text and name not in asked for name in world.of_ben)


def name_of(operation: Any) -> str:
    return f"{operation.method.upper()} {operation.path}"


def fuzz(world: World, operation: Any, role: str, *, examples: int = EXAMPLES) -> None:
    name = name_of(operation)
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    cases = st.one_of(operation.as_strategy(generation_mode=mode) for mode in modes)

    @settings(
        max_examples=examples,
        derandomize="ETMA_TEST_EXAMPLES" not in os.environ,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def ask(data: Any) -> None:
        case = data.draw(cases)
        seeded(world, data.draw, case)
        answer = send(world, data.draw, case, role)
        world.statuses[role, name, answer.status_code] += 1
        case.validate_response(answer, checks=CHECKED)
        assert not is_out_of_reach(answer, world, role), answer.text

    ask()


@pytest.mark.parametrize("role", [NOBODY, *map(str, PEOPLE)])
def test_whatever_anybody_sends_the_answer_is_one_that_the_document_knows(world: World, role: str) -> None:
    for operation in world.operations():
        fuzz(world, operation, role)


def test_everybody_who_may_gets_through_every_route(world: World) -> None:
    """After the test above; it is this that makes that one worth anything. Who had no luck has some more tries."""
    for operation in world.operations():
        rights = RIGHTS[name_of(operation)]
        may = {NOBODY, *map(str, PEOPLE)} if rights is PUBLIC else set(map(str, rights or ()))
        beyond = {str(role) for name, role in BEYOND_LUCK if name == name_of(operation)}
        may -= beyond
        for role in sorted(may - through(world, operation)):
            ask_the_tutor_anew(world)
            begin_anew(world, name_of(operation))
            fuzz(world, operation, role, examples=10 * EXAMPLES)
        assert through(world, operation) - beyond == may, (
            name_of(operation),
            [each for each in world.statuses.items() if each[0][1] == name_of(operation)],
        )


def ask_the_tutor_anew(world: World) -> None:
    """What students sent has superseded the version that the tutor could have chosen at first."""
    later = world.town.hand_in(ANN, content=PDF + world.statuses.total().to_bytes(4)).json()
    world.town.settle()
    world.seeds["submission_id"].append(later["submission_id"])


def begin_anew(world: World, name: str) -> None:
    """End Ann's open request, so that she may ask; and ask, where there has to be something to answer."""
    if name not in {ASKING, ANSWERING}:
        return
    who = world.town.token("student", ANN)
    for each in world.town.client.get("/api/v1/requests", headers=who).json()["requests"]:
        ending = {"move": "withdraw", "revision": each["revision"]}
        world.town.client.post(f"/api/v1/requests/{each['request_id']}/answers", json=ending, headers=who)
    if name == ANSWERING:
        asked = {"day": str(time_today() + timedelta(days=25)), "reason": "other"}
        made = world.town.client.post(f"/api/v1/assignments/{TMA}/requests", json=asked, headers=who).json()
        world.seeds["request_id"] = [made["request_id"]]


def through(world: World, operation: Any) -> set[str]:
    """Who was answered with success."""
    passed = name_of(operation)
    return {role for role, name, status in world.statuses if name == passed and status < 300}
