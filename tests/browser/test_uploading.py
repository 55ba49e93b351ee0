"""A student's upload in a real browser, while the line, the server or the page goes away: it ends in a receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from services.intake.catalogue import take_in
from services.opening import opened_or_new
from shared.web.sessions import COOKIE
from tests.support.databases import settings_in
from tests.support.dying import Server
from tests.support.uploading import FILM, MEBIBYTE, UMA, House, embedded_house, film_school, text_of

LARGE = 17 * MEBIBYTE
SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 4 * MEBIBYTE}
"""In bytes a second: some seconds for the file."""
PATIENCE_MS = 60_000


@pytest.fixture
def film(tmp_path: Path) -> Path:
    file = tmp_path / "film.txt"
    file.write_bytes(text_of(LARGE))
    return file


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with embedded_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="en-GB") as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, house: House) -> Page:
    """Of a student who is signed in, on a line that takes some seconds for the film."""
    page = context.new_page()
    sign_in(context, house.gateway, house.student().token)
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    page.goto(f"{house.gateway}/assignments/{FILM}")
    return page


def sign_in(context: BrowserContext, address: str, token: str) -> None:
    context.add_cookies([{"name": COOKIE, "value": token, "url": address}])


def begin(page: Page, film: Path) -> None:
    page.get_by_label("Your file").set_input_files(film)
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Uploading film.txt")).to_be_focused()


def wait_until_some_is_here(page: Page) -> None:
    page.wait_for_function("() => document.querySelector('progress').value > 0.3", timeout=PATIENCE_MS)


def ends_in_a_receipt(page: Page, film: Path) -> None:
    expect(page.get_by_role("heading", name="Check your work: film.txt")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Confirm and hand in").first.click()
    expect(page.get_by_role("heading", name="Your work was received")).to_be_visible()
    expect(page.get_by_text(hashlib.sha256(film.read_bytes()).hexdigest())).to_be_visible()


def creations_of(page: Page) -> list[str]:
    """The requests that begin an upload, from now on."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if request.method == "POST" else None)
    return found


def test_it_shows_how_far_it_is_and_can_be_paused(page: Page, film: Path) -> None:
    begin(page, film)
    wait_until_some_is_here(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text("Paused. What has arrived is kept.")
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("of 17.0 MB, about")).to_be_visible(timeout=PATIENCE_MS)
    ends_in_a_receipt(page, film)


def test_a_line_that_breaks_is_waited_for(page: Page, film: Path) -> None:
    begin(page, film)
    wait_until_some_is_here(page)
    page.context.set_offline(True)
    expect(page.get_by_role("status")).to_contain_text("goes on")
    page.context.set_offline(False)
    ends_in_a_receipt(page, film)


def test_after_a_reload_the_same_file_goes_on_where_it_was(page: Page, film: Path) -> None:
    begin(page, film)
    wait_until_some_is_here(page)
    page.get_by_role("button", name="Pause").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_text("Choose the same file again to go on")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    creations = creations_of(page)
    begin(page, film)
    expect(page.get_by_role("heading", name="Check your work: film.txt")).to_be_visible(timeout=PATIENCE_MS)
    assert creations == []
    ends_in_a_receipt(page, film)


def test_who_was_signed_out_signs_in_beside_it_and_goes_on(page: Page, film: Path, house: House) -> None:
    begin(page, film)
    wait_until_some_is_here(page)
    page.context.clear_cookies()
    expect(page.get_by_role("status")).to_contain_text("You were signed out.", timeout=PATIENCE_MS)
    sign_in(page.context, house.gateway, house.student().token)
    creations = creations_of(page)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Check your work: film.txt")).to_be_visible(timeout=PATIENCE_MS)
    assert creations == []
    ends_in_a_receipt(page, film)


def test_a_session_that_was_renewed_in_another_window_changes_nothing(page: Page, film: Path, house: House) -> None:
    begin(page, film)
    wait_until_some_is_here(page)
    sign_in(page.context, house.gateway, house.student().token)
    ends_in_a_receipt(page, film)


def test_what_is_ended_is_gone_and_nothing_was_handed_in(page: Page, film: Path, house: House) -> None:
    before = len(house.rows("submission", "versions"))
    begin(page, film)
    wait_until_some_is_here(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End the upload").click()
    expect(page.get_by_role("button", name="Hand in")).to_be_visible()
    expect(page.get_by_text("Uploaded, not handed in yet")).to_have_count(0)
    assert len(house.rows("submission", "versions")) == before


def test_what_the_server_refuses_is_said_and_another_file_can_be_chosen(page: Page, film: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_bytes(b"\x7fELF" + bytes(50))
    page.get_by_label("Your file").set_input_files(wrong)
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert")).to_contain_text("of a type that this assignment does not take")
    expect(page.locator(".govuk-error-summary")).to_be_focused()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("link", name="Choose a file again").click()
    expect(page.get_by_label("Your file")).to_be_focused()
    page.wait_for_timeout(1000)  # sooner, a second press of the button is taken for a slip of the hand
    begin(page, film)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    ends_in_a_receipt(page, film)


@pytest.mark.parametrize("moment", ["upload.piece_noted:2", "upload.checking"])
def test_a_server_that_is_killed_is_waited_for(
    context: BrowserContext, film: Path, tmp_path: Path, moment: str
) -> None:
    server = Server(tmp_path / "var")
    with opened_or_new(settings_in(server.data_dir)) as system:
        take_in(system, film_school())
        token = system.identity.sessions.sign_in(role="student", identifier=UMA)
    try:
        server.start(ETMA_KILL_POINT=moment)
        page = context.new_page()
        sign_in(context, server.address, token)
        page.goto(f"{server.address}/assignments/{FILM}")
        begin(page, film)
        server.dies()
        server.start()
        ends_in_a_receipt(page, film)
    finally:
        server.kill()
