"""Whoever was signed out while they typed gets back what they typed; and only they, and only of a form of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape

import httpx2 as httpx
import pytest

from services.intake.catalogue import take_in
from services.submission.catalogue.university import StaffEntry, University
from shared.web.envelope import BODY_BYTES
from tests.support.browsers import Browser
from tests.support.university import ANN, OPERATOR, TMA, Town, running_town

ADMIN = "00000055"
TYPED = {"role": "support", "scope": '"><script>presentation:K827-26J</script>', "until": "2999-12-24"}
OURS = {"sec-fetch-site": "same-origin", "accept": "text/html"}
OF_ANOTHER_SITE = {"sec-fetch-site": "cross-site", "accept": "text/html"}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("town")) as town:
        take_in(town.system, University(staff=(StaffEntry(staff_number=ADMIN, name="Ada", roles=("admin",)),)))
        yield town


@pytest.fixture
def page(town: Town) -> str:
    """The page on which the operator is given a role."""
    with town.system.identity.database.reading() as connection:
        return f"/roles/{town.system.identity.role_views.person(connection, OPERATOR).person_ref}"


def offered_in(answer: httpx.Response) -> Mapping[str, str]:
    """The fields of the form that the page offers to send again."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', answer.text.partition("<main")[2])
    return {unescape(name): unescape(value) for name, value in found}


def test_what_was_typed_is_kept_over_a_new_sign_in(town: Town, page: str) -> None:
    browser = Browser(town, "admin", ADMIN)
    cookie = browser.cookie
    browser.sign_out()
    typed = {**TYPED, "scope": "presentation:K827-26J"}
    kept = browser.send_as_is(f"{page}/give", **typed, csrf_token="of the session that ended")
    assert (kept.status_code, "You were signed out" in kept.text) == (401, True)
    assert offered_in(kept) == {**typed, "csrf_token": ""}
    assert "of the session that ended" not in kept.text
    browser.cookie = cookie
    asked = browser.send_as_is(f"{page}/give", **offered_in(kept))
    assert (asked.status_code, "Please send it again" in asked.text) == (403, True)
    assert "<td>presentation:K827-26J</td>" not in browser.get(page).text
    assert browser.send_as_is(f"{page}/give", **offered_in(asked)).status_code == 303
    assert "<td>presentation:K827-26J</td>" in browser.get(page).text


def test_what_was_typed_is_shown_and_not_run(town: Town, page: str) -> None:
    kept = town.client.post(f"{page}/give", data=TYPED, headers=OURS)
    assert "<script>presentation" not in kept.text
    assert offered_in(kept)["scope"] == TYPED["scope"]


def test_the_form_of_another_site_is_never_offered_to_be_sent(town: Town, page: str) -> None:
    signed_out = town.client.post(f"{page}/give", data=TYPED, headers=OF_ANOTHER_SITE)
    assert (signed_out.status_code, signed_out.headers["location"]) == (303, "/sign-in")
    browser = Browser(town, "admin", ADMIN)
    headers = {**OF_ANOTHER_SITE, "cookie": f"etma_session={browser.cookie}"}
    signed_in = town.client.post(f"{page}/give", data=TYPED, headers=headers)
    assert (signed_in.status_code, offered_in(signed_in)) == (403, {})
    town.client.cookies.clear()


def test_a_file_is_to_be_chosen_again(town: Town) -> None:
    path = f"/assignments/{TMA}"
    file = {"file": ("answer.pdf", b"%PDF-1.4", "application/pdf")}
    kept = town.client.post(f"{path}?key=12345678&csrf_token=old", files=file, headers=OURS)
    assert (kept.status_code, "The file was not received" in kept.text) == (401, True)
    assert f'href="/sign-in?next={path}"' in kept.text


def test_a_form_that_is_too_large_is_refused_and_not_kept(town: Town, page: str) -> None:
    answer = town.client.post(f"{page}/give", data={"scope": "x" * BODY_BYTES}, headers=OURS)
    assert (answer.status_code, offered_in(answer)) == (413, {})


def test_a_program_is_told_in_its_own_form(town: Town) -> None:
    answer = town.client.post("/api/v1/uploads", headers={**OURS, "tus-resumable": "1.0.0"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_signing_out_with_an_old_page_asks_to_press_again(town: Town) -> None:
    browser = Browser(town, "student", ANN)
    asked = browser.send_as_is("/sign-out", csrf_token="of another session")
    assert asked.status_code == 403
    assert browser.send_as_is("/sign-out", **offered_in(asked)).status_code in {200, 303}
    assert browser.get("/work").status_code == 303
