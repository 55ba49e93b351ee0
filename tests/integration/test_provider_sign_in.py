"""Signing in by the university's provider: the way there and back, and everything that can be wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from joserfc.jwk import RSAKey

from services.identity.grants.domain import Grant
from services.identity.provider.oidc import LOOK_AGAIN_SECONDS
from shared.web.sessions import COOKIE
from tests.support.provider import CLIENT, SECRET, TestProvider, running_provider
from tests.support.university import ANN, OPERATOR, TUTOR, Town, running_town

ROLES = {"etma-support": "support", "etma-k827": "monitor@presentation:K827-26J"}


@pytest.fixture
def provider() -> Iterator[TestProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def town(provider: TestProvider, tmp_path: object) -> Iterator[Town]:
    settings = {
        "oidc_issuer": provider.url,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SECRET,
        "oidc_roles_claim": "realm_access.roles",
        "oidc_roles": json.dumps(ROLES),
        "base_url": "http://testserver",
    }
    with running_town(tmp_path, **settings) as town:  # type: ignore[arg-type]
        yield town


class Browser:
    """Keeps its cookies, and goes where it is sent, to the provider as well."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> httpx.Response:
        return self._keep(self.town.client.get(path, headers=self._headers()))

    def post(self, path: str, **form: str) -> httpx.Response:
        return self._keep(self.town.client.post(path, data=form, headers=self._headers()))

    def sign_in(self, wanted: str = "/work") -> httpx.Response:
        """All the way there and back; the last answer."""
        return self.get(self.there(wanted))

    def there(self, wanted: str = "/work") -> str:
        """To the provider; where it sends us back to."""
        away = self.get(f"/sign-in/university?next={wanted}")
        assert away.status_code == 303, away.text
        back = httpx.get(away.headers["location"], trust_env=False).headers["location"]
        return back.removeprefix("http://testserver")

    def _headers(self) -> dict[str, str]:
        return {"cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), "accept": "text/html"}

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        self.cookies |= dict(answer.cookies)
        self.town.client.cookies.clear()
        return answer


def test_who_is_vouched_for_is_signed_in_and_goes_on_to_where_they_wanted(town: Town, provider: TestProvider) -> None:
    provider.claims = {"preferred_username": ANN}
    browser = Browser(town)
    assert 'href="/sign-in/university?next=/work"' in browser.get("/sign-in?next=/work").text
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/work")
    assert browser.get("/work").status_code == 200


def test_who_has_several_roles_chooses_one(town: Town, provider: TestProvider) -> None:
    provider.claims = {"preferred_username": TUTOR, "realm_access": {"roles": ["etma-support", "offline_access"]}}
    browser = Browser(town)
    page = browser.sign_in("/inbox")
    assert page.status_code == 200
    assert {role for role in ("support", "tutor", "monitor") if f'value="{role}"' in page.text} == {"support", "tutor"}
    assert browser.post("/sign-in/role", role="admin").status_code == 404
    assert browser.post("/sign-in/role", role="support").headers["location"] == "/inbox"
    assert browser.get(f"/api/v1/people?number={ANN}").status_code == 200


def test_a_role_that_the_provider_gives_no_more_is_gone_and_what_others_gave_stays(
    town: Town, provider: TestProvider
) -> None:
    provider.claims = {"preferred_username": OPERATOR, "realm_access": {"roles": ["etma-k827"]}}
    Browser(town).sign_in()
    assert held(town, OPERATOR) == {("operations", "*"), ("monitor", "presentation:K827-26J")}
    identity = town.system.identity
    with identity.database.reading() as connection:
        ref = identity.role_views.person(connection, OPERATOR).person_ref
    identity.roles.give(Grant(person_ref=ref, role="proxy"), actor="admin:test")
    provider.claims = {"preferred_username": OPERATOR, "realm_access": {"roles": []}}
    Browser(town).sign_in()
    assert held(town, OPERATOR) == {("operations", "*"), ("proxy", "*")}


def held(town: Town, person: str) -> set[tuple[str, str]]:
    identity = town.system.identity
    with identity.database.reading() as connection:
        ref = identity.role_views.person(connection, person).person_ref
        grants = identity.role_views.grants(connection, ref, now=town.system.platform.clock.now())
    return {(each.role, each.scope) for each in grants if each.state == "held"}


@pytest.mark.parametrize(
    ("claims", "status", "words"),
    [
        ({"preferred_username": "P9999999"}, 403, "knows you by the number P9999999, and here nobody has it"),
        ({}, 403, "did not send your number (the claim preferred_username)"),
        ({"preferred_username": ["P1000001"]}, 403, "did not send your number"),
    ],
)
def test_who_cannot_be_recognised_is_told_why(
    town: Town, provider: TestProvider, claims: dict[str, object], status: int, words: str
) -> None:
    provider.claims = claims
    browser = Browser(town)
    answer = browser.sign_in()
    assert (answer.status_code, words in answer.text) == (status, True)
    assert COOKIE not in browser.cookies


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_provider_whose_clock_is_far_off_is_not_believed(town: Town, provider: TestProvider, minutes: int) -> None:
    provider.claims, provider.skew = {"preferred_username": ANN}, timedelta(minutes=minutes)
    answer = Browser(town).sign_in()
    assert (answer.status_code, "the clocks may differ" in answer.text) == (400, True)


def test_a_provider_whose_clock_is_half_a_minute_off_is_believed(town: Town, provider: TestProvider) -> None:
    for seconds in (-30, 30):
        provider.claims, provider.skew = {"preferred_username": ANN}, timedelta(seconds=seconds)
        assert Browser(town).sign_in().headers["location"] == "/work"


@pytest.mark.parametrize("wrong", [{"aud": "another"}, {"iss": "https://elsewhere.example"}, {"nonce": "another"}])
def test_a_token_that_was_meant_for_another_is_refused(
    town: Town, provider: TestProvider, wrong: dict[str, str]
) -> None:
    provider.claims, provider.wrong = {"preferred_username": ANN}, wrong
    browser = Browser(town)
    assert browser.sign_in().status_code == 400
    assert COOKIE not in browser.cookies


def test_an_answer_to_another_sign_in_is_refused_and_none_serves_twice(town: Town, provider: TestProvider) -> None:
    provider.claims = {"preferred_username": ANN}
    mine, theirs = Browser(town), Browser(town)
    back = theirs.there()
    mine.there()
    assert "another sign-in" in mine.get(back).text
    assert "another window" in Browser(town).get(back).text
    assert theirs.get(back).status_code == 303
    theirs.there()
    code = parse_qs(urlsplit(back).query)["code"][0]
    state = parse_qs(urlsplit(theirs.there()).query)["state"][0]
    again = theirs.get(f"/sign-in/return?code={code}&state={state}")
    assert (again.status_code, "does not know this answer any more" in again.text) == (400, True)


def test_who_was_not_let_in_is_told_so(town: Town) -> None:
    browser = Browser(town)
    state = parse_qs(urlsplit(browser.there()).query)["state"][0]
    answer = browser.get(f"/sign-in/return?error=access_denied&state={state}")
    assert (answer.status_code, "did not let you in" in answer.text) == (400, True)


def test_keys_that_the_provider_changes_are_found(
    town: Town, provider: TestProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.identity.provider.oidc.LOOK_AGAIN_SECONDS", 0.0)
    provider.claims = {"preferred_username": ANN}
    assert Browser(town).sign_in().status_code == 303
    provider.key = RSAKey.generate_key(2048, auto_kid=True)
    assert Browser(town).sign_in().status_code == 303


def test_what_a_stranger_signed_is_refused(town: Town, provider: TestProvider) -> None:
    assert LOOK_AGAIN_SECONDS > 1
    provider.claims = {"preferred_username": ANN}
    assert Browser(town).sign_in().status_code == 303
    provider.key = RSAKey.generate_key(2048, parameters={"kid": provider.key.kid or ""})
    assert "was not signed by the university" in Browser(town).sign_in().text


def test_a_provider_that_is_away_is_told_as_such(town: Town, provider: TestProvider) -> None:
    provider.broken = True
    answer = town.client.get("/sign-in/university", headers={"accept": "text/html"})
    assert (answer.status_code, "Please try again in a few minutes" in answer.text) == (503, True)
    problem = town.client.get("/sign-in/university", headers={"accept": "application/json"}).json()
    assert "The university's sign-in cannot be reached" in problem["detail"]


def test_who_signs_out_is_shown_the_way_out_of_the_provider(town: Town, provider: TestProvider) -> None:
    provider.claims = {"preferred_username": ANN}
    browser = Browser(town)
    browser.sign_in()
    token = browser.get("/work").text.split('name="csrf_token" value="')[1].split('"')[0]
    page = browser.post("/sign-out", csrf_token=token)
    assert "You are signed out here" in page.text
    assert f"{provider.url}/end?id_token_hint=" in page.text
    assert "post_logout_redirect_uri=http%3A%2F%2Ftestserver%2Fsign-in" in page.text


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\\\evil.example"])
def test_nobody_is_led_elsewhere(town: Town, provider: TestProvider, wanted: str) -> None:
    provider.claims = {"preferred_username": ANN}
    assert Browser(town).sign_in(wanted).headers["location"] == "/"
