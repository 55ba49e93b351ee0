"""Signing in by a real Keycloak, in a browser: there, back, out here and out there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from deploy.servers.keycloak import KeycloakProcess
from deploy.servers.ports import free_port
from services.embedded import Embedded
from services.intake.catalogue import load_demo
from shared.settings import Settings
from shared.web.server import HttpThread

pytestmark = pytest.mark.cluster

SECRET, PASSWORD = "of the client", "of the person"
STUDENT, STRANGER, OPERATOR = "P4000001", "P9999999", "00009001"
PROFILE = {
    "attributes": [
        {"name": name, "permissions": {"view": ["admin", "user"], "edit": ["admin"]}}
        for name in ("username", "email", "firstName", "lastName", "number")
    ],
}


@dataclass(frozen=True)
class Place:
    """A system whose people come from a Keycloak."""

    address: str
    issuer: str


def mapper(name: str, kind: str, claim: str, **config: str) -> dict[str, Any]:
    common = {"claim.name": claim, "id.token.claim": "true", "jsonType.label": "String"}
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {**common, **config},
    }


def realm_for(address: str) -> dict[str, Any]:
    """A university that knows its people by an attribute `number`, and says their groups."""
    mappers = [
        mapper("number", "oidc-usermodel-attribute-mapper", "number", **{"user.attribute": "number"}),
        mapper("groups", "oidc-group-membership-mapper", "groups", **{"full.path": "false"}),
    ]
    client = {
        "clientId": "etma",
        "secret": SECRET,
        "publicClient": False,
        "standardFlowEnabled": True,
        "redirectUris": [f"{address}/sign-in/return"],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": f"{address}/sign-in",
        },
        "protocolMappers": mappers,
    }
    users = [
        {
            "username": f"user-{number}",
            "enabled": True,
            "emailVerified": True,
            "email": f"{number}@example.org",
            "firstName": "Some",
            "lastName": "Body",
            "attributes": {"number": [number]},
            "groups": groups,
            "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
        }
        for number, groups in ((STUDENT, []), (STRANGER, []), (OPERATOR, ["helpers"]))
    ]
    return {
        "realm": "university",
        "enabled": True,
        "sslRequired": "none",
        "groups": [{"name": "helpers"}],
        "clients": [client],
        "users": users,
        "components": {
            "org.keycloak.userprofile.UserProfileProvider": [
                {
                    "providerId": "declarative-user-profile",
                    "config": {"kc.user.profile.config": [json.dumps(PROFILE)]},
                }
            ]
        },
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("university"), free_port()
    keycloak = KeycloakProcess(folder / "keycloak")
    keycloak.start()
    try:
        issuer = keycloak.make_realm(realm_for(f"http://127.0.0.1:{port}"))
        with served(folder / "var", port, issuer) as address:
            yield Place(address, issuer)
    finally:
        keycloak.stop()


@contextmanager
def served(folder: Path, port: int, issuer: str) -> Iterator[str]:
    """The demo university, without the demo sign-in."""
    settings = Settings(
        data_dir=folder,
        port=port,
        oidc_issuer=issuer,
        oidc_client_secret=SECRET,
        oidc_number_claim="number",
        oidc_roles_claim="groups",
        oidc_roles=json.dumps({"helpers": "support"}),
    )
    system = Embedded(settings)
    load_demo(system)
    system.start()
    server = HttpThread(system.app(), host="127.0.0.1", port=port)
    server.start()
    yield server.address
    server.stop()
    system.stop()


@pytest.fixture
def browser_context_args(place: Place) -> dict[str, object]:
    return {"base_url": place.address, "locale": "en-GB"}


def sign_in(page: Page, number: str) -> None:
    """As somebody does who is not signed in anywhere."""
    page.goto("/")
    page.get_by_role("link", name="Sign in with your university account").click()
    page.get_by_label("Username").fill(f"user-{number}")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign In").click()


def test_a_student_comes_from_the_university_and_goes_out_of_both(page: Page, place: Place) -> None:
    sign_in(page, STUDENT)
    expect(page.get_by_role("heading", level=1)).to_have_text("My work")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out here")
    page.get_by_role("link", name="Sign out of the university").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.url.startswith(f"{place.address}/sign-in")
    page.get_by_role("link", name="Sign in with your university account").click()
    expect(page.get_by_label("Username")).to_be_visible()


def test_who_is_signed_in_at_the_university_needs_no_password_again(page: Page) -> None:
    sign_in(page, STUDENT)
    page.context.clear_cookies(name="etma_session")
    page.goto("/work")
    page.get_by_role("link", name="Sign in with your university account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("My work")


def test_who_is_not_known_here_is_told_what_to_do(page: Page) -> None:
    sign_in(page, STRANGER)
    expect(page.get_by_role("main")).to_contain_text(f"knows you by the number {STRANGER}, and here nobody has it")


def test_a_group_of_the_university_is_a_role_and_one_is_chosen(page: Page) -> None:
    sign_in(page, OPERATOR)
    expect(page.get_by_role("heading", level=1)).to_have_text("In which role?")
    expect(page.get_by_role("button", name="Support")).to_be_visible()
    page.get_by_role("button", name="Operations").click()
    expect(page.get_by_role("link", name="Pipeline")).to_be_visible()
